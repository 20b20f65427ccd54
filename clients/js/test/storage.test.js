import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRest } from '../src/rest.js'
import { createStorage, settled } from './support/service.js'
import { start } from './support/start.js'
import { signedIn, tokenFor, tokenService } from './support/tokens.js'

const fail = () => {
  throw new DOMException('no', 'SecurityError')
}
const FORBIDDEN = { getItem: fail, setItem: fail, removeItem: fail }

/** A storage that takes nothing more. */
function fullStorage() {
  const storage = createStorage()
  return { ...storage, setItem: () => { throw new DOMException('full', 'QuotaExceededError') } }
}

for (const [name, create] of /** @type {const} */ ([
  ['forbidden', () => FORBIDDEN],
  ['full', fullStorage],
])) {
  test(`with a ${name} storage people sign in and out, until the page ends`, async (t) => {
    const rest = await signedIn(await tokenService(t), create())
    assert.equal(rest.userId, 1)
    assert.equal((await rest.me()).username, 'ada')
    await rest.signOut()
    assert.equal(rest.userId, null)
  })

  test(`with a ${name} storage events arrive, and a cursor can be forgotten`, async (t) => {
    const { service, events, client } = start(t, { storage: create() })
    await settled()
    service.socket.establish(0)
    service.socket.event(1)
    assert.deepEqual(events, [1])
    client.close({ forget: true })
  })
}

test('where the tokens do not fit, those of the person before do not come back', async (t) => {
  const storage = fullStorage()
  storage.values.set('numeneon:session', JSON.stringify({ access: tokenFor(2, 3600), refresh: 'theirs' }))
  const rest = await signedIn(await tokenService(t), storage)
  assert.equal(rest.userId, 1)
  assert.equal(createRest({ storage }).userId, null)
})

test('a page names the storage, and nothing throws where even reading it does', (t) => {
  assert.equal(createRest({ storage: 'local' }).userId, null, 'on a server there is none')
  Object.defineProperty(globalThis, 'localStorage', { get: fail, configurable: true })
  t.after(() => Reflect.deleteProperty(globalThis, 'localStorage'))
  assert.equal(createRest({ storage: 'local' }).userId, null)
  const storage = createStorage()
  storage.setItem('numeneon:session', JSON.stringify({ access: tokenFor(2, 3600), refresh: 'theirs' }))
  Object.defineProperty(globalThis, 'localStorage', { value: storage, configurable: true })
  assert.equal(createRest({ storage: 'local' }).userId, 2)
})
