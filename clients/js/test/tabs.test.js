import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { createClient } from '../src/index.js'
import { createLocks } from './support/locks.js'
import { createService, createStorage, settled, tokenOf } from './support/service.js'
import { stopClock } from './support/start.js'

/** One origin: its tabs share locks and channels. Each test takes a person of its own, so a channel of its own. */
let person = 100
beforeEach(() => {
  person++
  Object.defineProperty(globalThis, 'navigator', { value: { locks: createLocks() }, configurable: true })
})

/** @param {import('node:test').TestContext} t */
function origin(t) {
  stopClock(t)
  const service = createService()
  /** @param {Partial<import('../src/types.js').ClientOptions>} [options] */
  const openTab = async (options = {}) => {
    /** @type {any[]} */
    const events = []
    const client = createClient({
      url: 'https://api.example.org',
      getToken: () => tokenOf(person),
      WebSocket: service.WebSocket,
      ...options,
    })
    client.on('*', (_data, frame) => events.push(frame.seq ?? frame.type))
    t.after(() => client.close())
    client.connect()
    await settled()
    return { client, events, socket: service.sockets.at(-1) }
  }
  return { service, openTab }
}

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

test('switched off, each tab has its own socket', async (t) => {
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

test('when the leader closes, the next one resumes, and nobody loses or doubles an event', async (t) => {
  const { service, openTab } = origin(t)
  const leader = await openTab()
  service.socket.establish(0)
  const second = await openTab()
  const third = await openTab()
  service.socket.event(1)
  await settled()
  leader.client.close()
  await settled()
  assert.equal(service.open.length, 1)
  assert.equal(service.socket.cursor, '1')
  service.socket.establish(3)
  for (const seq of [2, 3]) service.socket.event(seq)
  await settled()
  assert.deepEqual(second.events, [1, 2, 3])
  assert.deepEqual(third.events, [1, 2, 3])
})

test('a new leader that has more than a follower goes back for it', async (t) => {
  const { service, openTab } = origin(t)
  const leader = await openTab()
  service.socket.establish(5)
  const second = await openTab({ cursor: 5 })
  const third = await openTab({ cursor: 5 })
  leader.client.close()
  await settled()
  // The second leads now, from 5. A tab comes that has only 3.
  service.socket.establish(6)
  service.socket.event(6)
  await settled()
  const late = await openTab({ cursor: 3 })
  await settled()
  assert.equal(service.socket.cursor, '3')
  service.socket.establish(6)
  for (const seq of [4, 5, 6]) service.socket.event(seq)
  await settled()
  assert.deepEqual(late.events, [4, 5, 6])
  assert.deepEqual(second.events, [6])
  assert.deepEqual(third.events, [6])
})

test('what the leader has kept reaches a late tab without another socket', async (t) => {
  const { service, openTab } = origin(t)
  const leader = await openTab()
  service.socket.establish(0)
  for (const seq of [1, 2, 3]) service.socket.event(seq)
  const late = await openTab({ cursor: 1 })
  await settled()
  assert.deepEqual(late.events, [2, 3])
  assert.equal(service.sockets.length, 1)
  assert.deepEqual(leader.events, [1, 2, 3])
})

test('a late tab without a cursor begins where the leader is', async (t) => {
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
  service.socket.say({ type: 'resync_required', seq: 900 })
  service.socket.event(901)
  await settled()
  assert.deepEqual(leader.events, [900, 901])
  assert.deepEqual(second.events, [900, 901])
})

test('a tab ahead of the inbox is told to reload', async (t) => {
  const { service, openTab } = origin(t)
  await openTab({ cursor: 2 })
  service.socket.establish(2)
  const stale = await openTab({ cursor: 50 })
  service.socket.event(3)
  await settled()
  assert.deepEqual(stale.events, [2, 3])
  assert.equal(service.sockets.length, 1)
})

test('a leader that answers nothing loses its role, and nothing with it; later it has its turn again', async (t) => {
  const { service, openTab } = origin(t)
  const first = await openTab()
  service.socket.establish(0)
  const second = await openTab()
  service.socket.event(1)
  await settled()
  const firstSocket = service.socket
  /** @type {string[]} */
  const states = []
  first.client.subscribe(({ state }) => states.push(state))
  await leadSilently(person)
  second.client.connect()
  await settled()
  t.mock.timers.tick(3000)
  await settled()
  assert.equal(second.client.status.tab, 'leads')
  assert.equal(service.socket.cursor, '1')
  assert.equal(firstSocket.readyState, 3)
  service.socket.establish(2)
  service.socket.event(2)
  await settled()
  assert.deepEqual(second.events, [1, 2])
  assert.deepEqual(first.events, [1, 2])
  assert(!states.includes('closed'), 'whoever lost the lead follows')
  second.client.close()
  await settled()
  assert.equal(first.client.status.tab, 'leads')
  assert.equal(service.open.length, 1)
})

const groupOf = (/** @type {number} */ id) => `numeneon wss://api.example.org/ws/notifications/ ${id}`

/** Takes the lead and answers nothing, as a tab does that the browser froze. @param {number} id */
async function leadSilently(id) {
  navigator.locks.request(groupOf(id), { steal: true }, () => new Promise(() => {})).catch(() => {})
  await settled()
}

/** The channel of a group, to say what a leader would. @param {import('node:test').TestContext} t @param {number} id */
function channelOf(t, id) {
  const channel = new BroadcastChannel(groupOf(id))
  t.after(() => channel.close())
  /** @type {any[]} */
  const said = []
  channel.onmessage = (/** @type {any} */ { data }) => said.push(data)
  return { channel, said }
}

test('a follower that finds a gap asks for it once, and is given it', async (t) => {
  const { openTab } = origin(t)
  await leadSilently(person)
  const { channel, said } = channelOf(t, person)
  const { client, events } = await openTab()
  channel.postMessage({ status: { state: 'live', reason: null, nextAttemptAt: null }, seq: 0 })
  for (const seq of [1, 3, 4]) channel.postMessage({ frame: { type: 'new_message', data: {}, seq } })
  await settled()
  assert.deepEqual(events, [1])
  assert.deepEqual(said.map(({ cursor }) => cursor), [null, 1])
  for (const seq of [2, 3, 4]) channel.postMessage({ frame: { type: 'new_message', data: {}, seq } })
  await settled()
  assert.deepEqual(events, [1, 2, 3, 4])
  assert.equal(client.status.tab, 'follows')
})

test('a follower that is behind when the leader gets live is brought up', async (t) => {
  const { service, openTab } = origin(t)
  const leader = await openTab({ cursor: 6 })
  const late = await openTab({ cursor: 3 })
  service.socket.establish(6)
  await settled()
  assert.equal(service.socket.cursor, '3')
  service.socket.establish(6)
  for (const seq of [4, 5, 6]) service.socket.event(seq)
  await settled()
  assert.deepEqual(late.events, [4, 5, 6])
  assert.deepEqual(leader.events, [])
  assert.equal(service.open.length, 1)
})

test('events from before a tab knows where it begins are not its own', async (t) => {
  const { service, openTab } = origin(t)
  await openTab()
  const late = await openTab()
  channelOf(t, person).channel.postMessage({ frame: { type: 'new_message', data: {}, seq: 9 } })
  await settled()
  service.socket.establish(9)
  service.socket.event(10)
  await settled()
  assert.deepEqual(late.events, [10])
})

test('what a leader has kept of one person is not handed to another’s tabs', async (t) => {
  const { service, openTab } = origin(t)
  const storage = createStorage()
  let who = person
  const tab = await openTab({ storage, getToken: () => tokenOf(who) })
  service.socket.establish(4)
  service.socket.event(5)
  tab.client.close()
  who = person + 1000
  storage.setItem(`numeneon:cursor:https://api.example.org:${who}`, '5')
  tab.client.connect()
  await settled()
  assert.equal(service.socket.cursor, '5')
  service.socket.establish(5)
  const late = await openTab({ cursor: 4, getToken: () => tokenOf(who) })
  assert.deepEqual(late.events, [])
  assert.equal(service.socket.cursor, '4')
})

test('a client closed before its token came leads nobody', async (t) => {
  const { service, openTab } = origin(t)
  /** @type {(token: string) => void} */
  let give = () => {}
  const closed = await openTab({ getToken: () => new Promise((resolve) => (give = resolve)) })
  closed.client.close()
  give(tokenOf(person))
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
  assert.equal(service.open.length, 1, 'a following tab makes the leader try at once')
})

test('a tab whose token is refused makes room for one whose token is good', async (t) => {
  const { service, openTab } = origin(t)
  const first = await openTab()
  const second = await openTab()
  service.socket.end(4001, 'user inactive')
  await settled()
  assert.equal(first.client.status.state, 'refused')
  assert.equal(service.sockets.length, 2)
  service.socket.establish(0)
  assert.equal(second.client.status.state, 'live')
  assert.equal(second.client.status.tab, 'leads')
})

test('signing in as somebody else leaves the group of the one before', async (t) => {
  const { service, openTab } = origin(t)
  let who = person
  const tab = await openTab({ storage: createStorage(), getToken: () => tokenOf(who) })
  service.socket.establish(0)
  const other = await openTab()
  service.socket.event(1)
  await settled()
  tab.client.close()
  who = person + 1000
  tab.client.connect()
  await settled()
  assert.equal(service.open.length, 2)
  const theirs = service.sockets.find((socket) => socket.readyState < 2 && socket.token === tokenOf(who))
  theirs?.establish(0)
  theirs?.event(1, 'friend_request')
  await settled()
  assert.deepEqual(tab.events, [1, 1])
  assert.deepEqual(other.events, [1])
})
