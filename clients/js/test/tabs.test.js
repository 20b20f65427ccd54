import assert from 'node:assert/strict'
import { test } from 'node:test'
import { origin, person } from './support/origin.js'
import { createStorage, settled, tokenOf } from './support/service.js'

test('ten tabs have one socket, and each gets each event', async (t) => {
  const { service, openTab } = origin(t)
  const leader = await openTab()
  service.socket.establish(0)
  const tabs = [leader]
  while (tabs.length < 10) tabs.push(await openTab())
  assert.equal(service.sockets.length, 1)
  service.socket.event(1)
  service.socket.event(2)
  await settled()
  for (const { client, events } of tabs) {
    assert.deepEqual(events, [1, 2])
    assert.equal(client.status.state, 'live')
  }
  assert.deepEqual(tabs.map(({ client }) => client.status.tab), ['leads', ...Array(9).fill('follows')])
})

test('with sharing disabled each tab has its own socket', async (t) => {
  const { service, openTab } = origin(t)
  await openTab({ share: false })
  await openTab({ share: false })
  assert.equal(service.sockets.length, 2)
})

test('without locks each tab has its own socket', async (t) => {
  Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true })
  const { service, openTab } = origin(t)
  await openTab()
  await openTab()
  assert.equal(service.sockets.length, 2)
})

test('where locks are forbidden each tab has its own socket', async (t) => {
  const request = () => Promise.reject(new DOMException('sandboxed', 'SecurityError'))
  Object.defineProperty(globalThis, 'navigator', { value: { locks: { request } }, configurable: true })
  const { service, openTab } = origin(t)
  const first = await openTab()
  service.socket.establish(0)
  service.socket.event(1)
  await openTab()
  assert.equal(service.sockets.length, 2)
  assert.deepEqual(first.events, [1])
})

test('two people in two tabs have two sockets', async (t) => {
  const { service, openTab } = origin(t)
  await openTab()
  const other = await openTab({ getToken: () => tokenOf(person + 1000) })
  assert.equal(service.sockets.length, 2)
  service.socket.establish(0)
  assert.equal(other.client.status.tab, 'leads')
})

test('a late tab without a cursor begins at the leader’s position', async (t) => {
  const { service, openTab } = origin(t)
  await openTab()
  service.socket.establish(0)
  service.socket.event(1)
  const late = await openTab()
  service.socket.event(2)
  await settled()
  assert.deepEqual(late.events, [2])
})

test('a resync reaches every tab', async (t) => {
  const { service, openTab } = origin(t)
  const leader = await openTab({ cursor: 2 })
  const second = await openTab({ cursor: 2 })
  service.socket.establish(900)
  service.socket.deliver({ type: 'resync_required', seq: 900 })
  service.socket.event(901)
  await settled()
  assert.deepEqual(leader.events, [900, 901])
  assert.deepEqual(second.events, [900, 901])
})

test('a tab ahead of the inbox gets a resync', async (t) => {
  const { service, openTab } = origin(t)
  await openTab({ cursor: 2 })
  service.socket.establish(2)
  const stale = await openTab({ cursor: 50 })
  service.socket.event(3)
  await settled()
  assert.deepEqual(stale.events, [2, 3])
  assert.equal(service.sockets.length, 1)
})

test('frames that a leader has kept for one person do not reach another’s tabs', async (t) => {
  const { service, openTab } = origin(t)
  const storage = createStorage()
  let signedIn = person
  const tab = await openTab({ storage, getToken: () => tokenOf(signedIn) })
  service.socket.establish(4)
  service.socket.event(5)
  tab.client.close()
  signedIn = person + 1000
  storage.setItem(`numeneon:cursor:https://api.example.org:${signedIn}`, '5')
  tab.client.connect()
  await settled()
  assert.equal(service.socket.cursor, '5')
  service.socket.establish(5)
  const late = await openTab({ cursor: 4, getToken: () => tokenOf(signedIn) })
  assert.deepEqual(late.events, [])
  assert.equal(service.socket.cursor, '4')
})

test('a client closed before it received its token does not lead', async (t) => {
  const { service, openTab } = origin(t)
  /** @type {(token: string) => void} */
  let provide = () => {}
  const closed = await openTab({ getToken: () => new Promise((resolve) => (provide = resolve)) })
  closed.client.close()
  provide(tokenOf(person))
  await settled()
  const next = await openTab()
  service.socket.establish(0)
  assert.equal(next.client.status.tab, 'leads')
})

test('status and time of the next attempt are the same in every tab', async (t) => {
  const { service, openTab } = origin(t)
  const leader = await openTab()
  service.socket.establish(0)
  const second = await openTab()
  service.socket.end(1006)
  await settled()
  assert.equal(second.client.status.state, 'waiting')
  assert.equal(second.client.status.nextAttemptAt, leader.client.status.nextAttemptAt)
  second.client.connect()
  await settled()
  assert.equal(service.open.length, 1, 'a following tab makes the leader connect at once')
})

test('signing in as somebody else leaves the tabs of the previous person', async (t) => {
  const { service, openTab } = origin(t)
  let signedIn = person
  const tab = await openTab({ storage: createStorage(), getToken: () => tokenOf(signedIn) })
  service.socket.establish(0)
  const other = await openTab()
  service.socket.event(1)
  await settled()
  tab.client.close()
  signedIn = person + 1000
  tab.client.connect()
  await settled()
  assert.equal(service.open.length, 2)
  const theirs = service.sockets.find((socket) => socket.readyState < 2 && socket.token === tokenOf(signedIn))
  theirs?.establish(0)
  theirs?.event(1, 'friend_request')
  await settled()
  assert.deepEqual(tab.events, [1, 1])
  assert.deepEqual(other.events, [1])
})

for (const [name, Channel] of /** @type {const} */ ([
  ['throws', class { constructor() { throw new DOMException('forbidden', 'SecurityError') } }],
  ['carries nothing', class { postMessage() {} close() {} }],
])) {
  test(`where BroadcastChannel ${name}, three tabs come to rest with a live socket each`, async (t) => {
    const before = globalThis.BroadcastChannel
    Object.assign(globalThis, { BroadcastChannel: Channel })
    t.after(() => Object.assign(globalThis, { BroadcastChannel: before }))
    const { service, openTab } = origin(t)
    const tabs = [await openTab(), await openTab(), await openTab()]
    for (let second = 0; second < 120; second++) {
      t.mock.timers.tick(1000)
      await settled()
      for (const socket of service.open) {
        if (!socket.readyState) socket.establish(0)
        else if (socket.received.splice(0).length) socket.deliver({ type: 'pong' })
      }
    }
    assert.deepEqual(tabs.map(({ client }) => client.status.state), ['live', 'live', 'live'])
    assert.equal(service.open.length, 3)
    assert(service.sockets.length <= 6, `${service.sockets.length} sockets were opened`)
  })
}
