import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRest } from '../src/rest.js'
import { createStorage } from './support/service.js'
import { REFUSED, lasting, signedIn, tokenService } from './support/tokens.js'

test('a logout forgets the tokens and has the refresh token ended', async (t) => {
  const service = await tokenService(t, { 'POST /api/auth/logout/': () => ({ body: { message: 'Logged out.' } }) })
  const storage = createStorage()
  const rest = await signedIn(service, storage)
  const done = rest.logout()
  assert.equal(rest.userId, null, 'at once')
  await done
  assert.deepEqual(service.requests.at(-1)?.body, { refresh: 'refresh-1' })
  assert.equal(storage.values.size, 0)
  await rest.logout()
  assert.equal(service.requests.length, 2, 'nobody is signed in, and nothing to end')
})

for (const [status, rejects] of /** @type {const} */ ([[401, false], [503, true]])) {
  test(`a logout that is answered ${status} forgets the tokens all the same`, async (t) => {
    const rest = await signedIn(await tokenService(t, { 'POST /api/auth/logout/': () => ({ status, body: { detail: 'No.' } }) }))
    const done = rest.logout()
    if (rejects) await assert.rejects(done, { status })
    else await done
    assert.equal(rest.userId, null)
  })
}

test('a logout everywhere signs out here too, and only if it was done', async (t) => {
  let status = 503
  const service = await tokenService(t, { 'POST /api/auth/logout/all/': ({ token }) => ({ status: token === service.good.access ? status : 400 }) })
  const rest = await signedIn(service)
  await assert.rejects(rest.logoutAll(), { status: 503 })
  assert.equal(rest.userId, 1)
  status = 200
  await rest.logoutAll()
  assert.equal(rest.userId, null)
})

test('a change of password goes on with the new tokens', async (t) => {
  const next = { message: 'Password changed.', access: lasting(1, 3600, 9), refresh: 'refresh-9' }
  const service = await tokenService(t, {
    'POST /api/auth/password/': () => {
      service.good.access = next.access
      return { body: next }
    },
  })
  const storage = createStorage()
  const rest = await signedIn(service, storage)
  let changes = 0
  rest.subscribe(() => changes++)
  await rest.changePassword({ old_password: 'lovelace', new_password: 'byron' })
  assert.equal((await rest.me()).username, 'ada')
  assert.deepEqual(JSON.parse(storage.getItem('numeneon:session') ?? ''), { access: next.access, refresh: 'refresh-9' })
  assert.equal(changes, 0, 'it is the same person')
  assert.equal(service.refreshes().length, 0)
})

test('a refused token waits for the change of password that ended it', async (t) => {
  const next = { access: lasting(1, 3600, 9), refresh: 'refresh-9' }
  /** @type {(answer: any) => void} */
  let answer = () => {}
  const service = await tokenService(t, { 'POST /api/auth/password/': () => new Promise((resolve) => (answer = resolve)) })
  const rest = await signedIn(service)
  const change = rest.changePassword({ old_password: 'lovelace', new_password: 'byron' })
  while (service.requests.length < 2) await new Promise(setImmediate)
  const token = rest.accessToken({ refused: 'signed out' })
  answer({ body: next })
  await change
  assert.equal(await token, next.access)
  assert.equal(service.refreshes().length, 0)
})

test('after a refused change of password the tokens are what they were, and are renewed as before', async (t) => {
  const service = await tokenService(t, { 'POST /api/auth/password/': () => ({ status: 400, body: { old_password: ['Wrong.'] } }) })
  const rest = await signedIn(service)
  const before = await rest.accessToken()
  const change = rest.changePassword({ old_password: 'byron', new_password: 'x' })
  await assert.rejects(change, { status: 400, message: 'Wrong.' })
  assert.equal(await rest.accessToken(), before)
  assert.equal(await rest.accessToken({ refused: 'token expired' }), service.good.access)
  assert.equal(service.refreshes().length, 1)
})

test('a change of password under a stale token is repeated with a fresh one', async (t) => {
  const service = await tokenService(t, {
    'POST /api/auth/password/': ({ token }) => (token === service.good.access ? { body: { access: lasting(1, 3600, 9), refresh: 'refresh-9' } } : REFUSED),
  })
  const rest = await signedIn(service)
  service.good.access = 'revoked'
  await rest.changePassword({ old_password: 'lovelace', new_password: 'byron' })
  assert.equal(await rest.accessToken(), lasting(1, 3600, 9))
})

test('a sign-out while the password is changed holds', async (t) => {
  /** @type {(answer: any) => void} */
  let answer = () => {}
  const service = await tokenService(t, { 'POST /api/auth/password/': () => new Promise((resolve) => (answer = resolve)) })
  const rest = await signedIn(service)
  const change = rest.changePassword({ old_password: 'lovelace', new_password: 'byron' })
  while (service.requests.length < 2) await new Promise(setImmediate)
  rest.signOut()
  answer({ body: { access: lasting(1, 3600, 9), refresh: 'refresh-9' } })
  await change
  assert.equal(rest.userId, null)
})

test('a renewal that is refused gives way to tokens that another tab has stored', async (t) => {
  const service = await tokenService(t)
  const storage = createStorage()
  storage.setItem('numeneon:session', JSON.stringify({ access: lasting(1, 3600), refresh: 'ended' }))
  const rest = createRest({ url: service.url, storage })
  const theirs = { access: lasting(1, 3600, 7), refresh: 'refresh-7' }
  storage.setItem('numeneon:session', JSON.stringify(theirs))
  assert.equal(await rest.accessToken({ refused: 'signed out' }), theirs.access)
  assert.equal(rest.userId, 1)
})

test('a ticket is asked for with the session, and of nobody there is none', async (t) => {
  const service = await tokenService(t, {
    'POST /api/auth/ws-ticket/': ({ token }) => ({ status: 201, body: { ticket: `for ${token === service.good.access}`, expires_in: 30 } }),
  })
  const rest = await signedIn(service)
  assert.deepEqual(await rest.wsTicket(), { ticket: 'for true', expires_in: 30 })
  assert.equal(await rest.socketTicket(), 'for true')
  assert.equal(await rest.socketTicket({ refused: 'ticket used' }), 'for true')
  assert.equal(service.refreshes().length, 1)
  rest.signOut()
  assert.equal(await rest.socketTicket(), null)
})
