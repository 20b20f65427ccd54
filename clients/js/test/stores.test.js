import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestError } from '../src/rest.js'
import { createStorage, settled } from './support/service.js'
import { HALF } from './support/start.js'
import { openStores } from './support/stores.js'

const ADA = { id: 1, username: 'ada' }
const BOB = { id: 2, username: 'bob' }
const person = (/** @type {object} */ summary) => ({ ...summary, first_name: '', last_name: '' })

/** A message as a list has it. @param {number} id @param {typeof ADA} sender @param {object} [more] */
const message = (id, sender, more = {}) => ({
  id, sender, receiver: sender === ADA ? BOB : ADA, content: `message ${id}`, is_read: false, created_at: `at ${id}`, story: null, ...more,
})

/** The event of a message from bob. @param {number} seq @param {number} id */
const event = (seq, id) => {
  const { sender, content, created_at } = message(id, BOB)
  return { type: 'new_message', data: { id, sender, content, created_at }, seq }
}

/** @param {object} last @param {number} unread_count */
const conversation = (last, unread_count) => ({ user: person(BOB), last_message: last, unread_count })

const unavailable = () => new RestError(503, null, null)

/** The window of a page. @param {import('node:test').TestContext} t */
function openPage(t) {
  const page = new EventTarget()
  Object.assign(globalThis, { addEventListener: page.addEventListener.bind(page), removeEventListener: page.removeEventListener.bind(page) })
  t.after(() => ['addEventListener', 'removeEventListener'].forEach((name) => Reflect.deleteProperty(globalThis, name)))
  return page
}

/** Opens a store, live. @param {import('node:test').TestContext} t @param {(stores: any) => any} choose @param {object} [options] */
async function open(t, choose, options) {
  const started = openStores(t, options)
  const store = choose(started.stores)
  store.subscribe(() => {})
  await settled()
  started.service.socket.establish(10)
  return { ...started, store, state: () => store.getSnapshot() }
}

test('events up to the number of the list are in it, later ones are applied, in order', async (t) => {
  const { service, requests, state } = await open(t, ({ conversations }) => conversations)
  for (const frame of [event(11, 21), event(12, 22), event(13, 23)]) service.socket.deliver(frame)
  await requests[0]?.respond([conversation(message(22, BOB), 2)], 12)
  assert.deepEqual(state().conversations, [conversation(message(23, BOB), 3)])
  service.socket.deliver(event(14, 24))
  assert.deepEqual(state().conversations, [conversation(message(24, BOB), 4)])
  assert.equal(requests.length, 1)
})

test('a message of somebody without a conversation loads the list, as an event has no names', async (t) => {
  const { service, requests, state } = await open(t, ({ conversations }) => conversations)
  await requests[0]?.respond([], 10)
  service.socket.deliver(event(11, 21))
  assert.equal(requests.length, 2)
  service.socket.deliver(event(12, 22))
  await requests[1]?.respond([conversation(message(21, BOB), 1)], 11)
  assert.deepEqual(state().conversations, [conversation(message(22, BOB), 2)])
  assert.equal(requests.length, 2)
})

test('a list is loaded again with each connection, and keeps what it shows meanwhile', async (t) => {
  const { service, requests, state } = await open(t, ({ conversations }) => conversations)
  await requests[0]?.respond([conversation(message(20, BOB), 1)], 10)
  service.socket.end(1006)
  t.mock.timers.tick(500 * HALF)
  await settled()
  service.socket.establish(10)
  assert.equal(state().conversations[0].unread_count, 1)
  await requests[1]?.respond([conversation(message(20, BOB, { is_read: true }), 0)], 10)
  assert.equal(state().conversations[0].unread_count, 0)
})

test('a store that fails says why, and loads again', async (t) => {
  const { requests, state } = await open(t, ({ friends }) => friends)
  await requests[0]?.fail(unavailable())
  assert.equal(state().error?.message, 'The service responded with status 503.')
  t.mock.timers.tick(1000 * HALF)
  await requests[2]?.respond([{ id: 2 }], 10)
  await requests[3]?.respond([], 10)
  assert.deepEqual([state().friends, state().error], [[{ id: 2 }], null])
})

test('friend events and one’s own changes load the lists again', async (t) => {
  const { service, requests, store, state } = await open(t, ({ friends }) => friends)
  await requests[0]?.respond([], 10)
  await requests[1]?.respond([], 10)
  service.socket.deliver({ type: 'friend_request', data: { request_id: 5 }, seq: 11 })
  await requests[2]?.respond([], 11)
  await requests[3]?.respond([{ id: 5 }], 11)
  assert.deepEqual(state().requests, [{ id: 5 }])
  const done = store.accept(5)
  assert.deepEqual([requests[4]?.method, requests[4]?.path], ['POST', 'friends/accept/5/'])
  await requests[4]?.respond({})
  await requests[5]?.respond([{ id: 2 }], 11)
  await requests[6]?.respond([], 11)
  await done
  assert.deepEqual([state().friends, state().requests], [[{ id: 2 }], []])
})

test('a friend event that came between the two lists loads them once more', async (t) => {
  const { service, requests, state } = await open(t, ({ friends }) => friends)
  await requests[0]?.respond([], 10)
  service.socket.deliver({ type: 'friend_accepted', data: {}, seq: 11 })
  await requests[1]?.respond([], 11)
  assert.equal(requests.length, 4)
  await requests[2]?.respond([{ id: 2 }], 11)
  await requests[3]?.respond([], 11)
  assert.deepEqual(state().friends, [{ id: 2 }])
})

test('messages arrive once, and page backwards', async (t) => {
  const { service, requests, store, state } = await open(t, ({ messages }) => messages(2))
  const ids = () => state().messages.map((/** @type {any} */ { id }) => id)
  const page = (/** @type {number} */ from) => Array.from({ length: 50 }, (_, n) => message(from + n, BOB, { is_read: true }))
  assert.equal(requests[0]?.path, 'messages/conversation/2/?limit=50')
  service.socket.deliver(event(11, 150))
  await requests[0]?.respond(page(100), 10)
  assert.deepEqual([ids().length, ids().at(-1), state().hasMore], [51, 150, true])
  assert.deepEqual(state().messages.at(-1), message(150, BOB))
  service.socket.deliver({ ...event(12, 160), data: { ...event(12, 160).data, sender: { id: 3, username: 'eve' } } })
  assert.equal(ids().at(-1), 150, 'of somebody else')
  const more = store.loadMore()
  assert.equal(requests[1]?.path, 'messages/conversation/2/?limit=50&before=100')
  await requests[1]?.respond(page(50).slice(0, 20), 12)
  await more
  assert.deepEqual([ids().length, ids()[0], state().hasMore], [71, 50, false])
})

test('a message that is written shows at once, and is sent once however often its response is lost', async (t) => {
  const { requests, store, state, stores } = await open(t, ({ messages }) => messages(2))
  stores.conversations.subscribe(() => {})
  await requests[0]?.respond([], 10)
  await requests[1]?.respond([conversation(message(20, BOB), 1)], 10)
  store.send('hello')
  assert.deepEqual(state().unsent.map((/** @type {any} */ { content, status }) => [content, status]), [['hello', 'sending']])
  await requests[2]?.fail(unavailable())
  assert.equal(state().unsent[0].status, 'sending')
  t.mock.timers.tick(1000 * HALF)
  await settled()
  assert.deepEqual(requests[3]?.body, { receiver_id: 2, content: 'hello' })
  assert.equal(requests[3]?.key, requests[2]?.key)
  await requests[3]?.respond(message(21, ADA))
  assert.deepEqual([state().messages, state().unsent], [[message(21, ADA)], []])
  assert.deepEqual(stores.conversations.getSnapshot().conversations, [conversation(message(21, ADA), 1)])
})

test('messages are sent one after the other, and one that is refused can be sent again or dropped', async (t) => {
  const { requests, store, state } = await open(t, ({ messages }) => messages(2))
  await requests[0]?.respond([], 10)
  for (const content of ['one', 'two', 'three']) store.send(content)
  await settled()
  assert.equal(requests.length, 2)
  await requests[1]?.fail(new RestError(400, { content: ['Too long.'] }, null))
  assert.equal(requests[2]?.body.content, 'two')
  await requests[2]?.respond(message(21, ADA))
  await requests[3]?.respond(message(22, ADA))
  assert.deepEqual(state().unsent.map((/** @type {any} */ { content, status, error }) => [content, status, error]), [['one', 'failed', 'Too long.']])
  store.retry(state().unsent[0].key)
  await settled()
  assert.notEqual(requests[4]?.key, requests[1]?.key, 'a key stands for what was sent under it')
  await requests[4]?.fail(new RestError(400, null, null))
  store.discard(state().unsent[0].key)
  assert.deepEqual(state().unsent, [])
})

test('what was not sent outlives the page, and is sent under the same key by the next one', async (t) => {
  const storage = createStorage()
  const { requests, store, stores } = await open(t, ({ messages }) => messages(2), { storage })
  store.send('hello')
  await settled()
  const key = requests.at(-1)?.key
  await requests.at(-1)?.fail(unavailable())
  stores.close()
  const next = await open(t, ({ messages }) => messages(2), { storage })
  assert.deepEqual(next.state().unsent.map((/** @type {any} */ { content }) => content), ['hello'])
  const sent = next.requests.find(({ path }) => path === 'messages/')
  assert.equal(sent?.key, key)
  await sent?.respond(message(21, ADA))
  assert.deepEqual(next.state().unsent, [])
})

test('a message that may have been sent a day ago is not sent again by itself', async (t) => {
  const storage = createStorage()
  const { store, stores } = await open(t, ({ messages }) => messages(2), { storage })
  store.send('hello')
  await settled()
  stores.close()
  t.mock.timers.tick(24 * 3_600_000)
  const next = await open(t, ({ messages }) => messages(2), { storage })
  await settled()
  assert.equal(next.state().unsent[0].status, 'failed')
  assert(!next.requests.some(({ path }) => path === 'messages/'))
})

test('what was shown last is shown at once by the next page, of that person only', async (t) => {
  const storage = createStorage()
  const page = openPage(t)
  const { requests, service } = await open(t, ({ conversations }) => conversations, { storage })
  const shown = [conversation(message(20, BOB), 1)]
  await requests[0]?.respond([conversation(message(19, BOB), 0)], 10)
  service.socket.deliver(event(11, 20))
  page.dispatchEvent(new Event('pagehide'))
  const next = openStores(t, { storage })
  assert.deepEqual(next.stores.conversations.getSnapshot().conversations, shown)
  assert.equal(next.stores.conversations.getSnapshot().isLoading, true)
  assert.deepEqual(openStores(t, { storage, user: 2 }).stores.conversations.getSnapshot().conversations, [])
  next.stores.close({ forget: true })
  assert.equal(storage.values.size, 0)
})

test('what is kept for the next page is bounded, and a storage with anything else in it is no error', async (t) => {
  const storage = createStorage()
  storage.setItem('numeneon:screens:1', '{not json')
  const page = openPage(t)
  const { requests } = await open(t, ({ messages }) => messages(2), { storage })
  await requests[0]?.respond(Array.from({ length: 50 }, (_, n) => message(n, BOB, { content: 'x'.repeat(10_000) })), 10)
  page.dispatchEvent(new Event('pagehide'))
  assert.equal(storage.getItem('numeneon:screens:1'), '[]', 'one conversation that is too large leaves nothing')
})

test('an open conversation is marked as read while the page is visible, everywhere in it', async (t) => {
  const document = Object.assign(new EventTarget(), { visibilityState: 'hidden' })
  Object.assign(globalThis, { document })
  t.after(() => Reflect.deleteProperty(globalThis, 'document'))
  const { requests, state, stores, service } = await open(t, ({ messages }) => messages(2))
  stores.conversations.subscribe(() => {})
  await requests[0]?.respond([message(20, BOB)], 10)
  await requests[1]?.respond([conversation(message(20, BOB), 1)], 10)
  assert.equal(requests.length, 2, 'nobody sees it')
  document.visibilityState = 'visible'
  document.dispatchEvent(new Event('visibilitychange'))
  assert.equal(requests[2]?.path, 'messages/conversation/2/read/')
  service.socket.deliver(event(11, 21))
  await requests[2]?.respond({ marked_read: 2 })
  assert.deepEqual(state().messages.map((/** @type {any} */ { is_read }) => is_read), [true, false])
  await requests.filter(({ path }) => path.endsWith('/read/')).at(-1)?.respond({ marked_read: 1 })
  assert.deepEqual(state().messages.map((/** @type {any} */ { is_read }) => is_read), [true, true])
})

test('what another device or the other user has done shows here', async (t) => {
  const { requests, state, stores, service } = await open(t, ({ messages }) => messages(2))
  stores.conversations.subscribe(() => {})
  await requests[0]?.respond([message(20, BOB)], 10)
  await requests[1]?.respond([conversation(message(20, BOB), 1)], 10)
  const notify = (/** @type {string} */ type, /** @type {object} */ data) => service.socket.deliver({ type, data, only: 'numeneon.v1' })
  notify('messages_read', { sender_id: 2, reader_id: 1, up_to: 20 })
  assert.deepEqual(stores.conversations.getSnapshot().conversations, [conversation(message(20, BOB, { is_read: true }), 0)])
  notify('message_sent', message(21, ADA))
  notify('message_sent', message(21, ADA))
  assert.deepEqual(state().messages, [message(20, BOB, { is_read: true }), message(21, ADA)])
  assert.deepEqual(stores.conversations.getSnapshot().conversations, [conversation(message(21, ADA), 0)])
  service.socket.deliver(event(11, 22))
  notify('messages_read', { sender_id: 1, reader_id: 2, up_to: 21 })
  assert.deepEqual(state().messages.map((/** @type {any} */ { is_read }) => is_read), [true, true, false])
  assert.equal(stores.conversations.getSnapshot().conversations[0]?.unread_count, 1)
  assert.equal(requests.length, 2)
  notify('messages_read', { sender_id: 2, reader_id: 1, up_to: null })
  assert.equal(requests.length, 4, 'of one message alone: only the service knows the count')
})

test('what another tab writes and sends shows here, and this tab sends what is left', async (t) => {
  const page = openPage(t)
  const storage = createStorage()
  const { requests, state, stores } = await open(t, ({ messages }) => messages(2), { storage })
  await requests[0]?.respond([], 10)
  const theirs = { key: 'theirs', receiver_id: 2, content: 'from there', created_at: new Date().toISOString(), status: 'sending' }
  const store = (/** @type {object[]} */ entries) => {
    storage.setItem('numeneon:outbox:1', JSON.stringify(entries))
    page.dispatchEvent(Object.assign(new Event('storage'), { key: 'numeneon:outbox:1' }))
  }
  store([theirs])
  assert.deepEqual(state().unsent, [theirs])
  store([])
  assert.deepEqual(state().unsent, [])
  assert.equal(requests[1]?.path, 'messages/conversation/2/?limit=50', 'it was sent there, and is loaded here')
  await requests[1]?.respond([message(21, ADA)], 10)
  store([theirs])
  stores.outbox.send()
  await settled()
  assert.equal(requests[2]?.key, 'theirs')
})

test('a message whose notice comes before its response is never shown twice', async (t) => {
  const { requests, store, state, service } = await open(t, ({ messages }) => messages(2))
  await requests[0]?.respond([message(20, BOB, { is_read: true })], 10)
  store.send(' message 21 ')
  await settled()
  const shown = () => [...state().messages, ...state().unsent].map(({ content }) => content.trim())
  const notice = (/** @type {number} */ id, /** @type {object} */ more) =>
    service.socket.deliver({ type: 'message_sent', data: message(id, ADA, more), only: 'numeneon.v1' })
  notice(21, {})
  notice(22, { content: 'from another device' })
  assert.deepEqual(shown(), ['message 20', 'from another device', 'message 21'])
  await requests[1]?.respond(message(21, ADA))
  assert.deepEqual(shown(), ['message 20', 'message 21', 'from another device'])
})
