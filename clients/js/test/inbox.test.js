import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settled } from './support/service.js'
import { HALF } from './support/start.js'
import { openStores } from './support/stores.js'

/** @param {number} seq @param {boolean} [is_read] */
const notification = (seq, is_read = false) => ({ seq, type: 'new_message', data: { id: seq }, created_at: 'then', is_read })

/** Returns an inbox with a listener, over a connection that the test controls. @param {import('node:test').TestContext} t */
async function open(t) {
  const started = openStores(t)
  const { inbox } = started.stores
  const close = inbox.subscribe(() => {})
  await settled()
  return { ...started, inbox, close, seqs: () => inbox.getSnapshot().notifications.map(({ seq }) => seq) }
}

test('it is loaded once the connection is live, so that no event is missed', async (t) => {
  const { inbox, requests, service, seqs } = await open(t)
  assert.equal(requests.length, 0)
  service.socket.establish(3)
  assert.equal(requests[0]?.path, 'notifications/?limit=50')
  await requests[0]?.respond({ unread_count: 2, last_seq: 3, results: [notification(3), notification(2), notification(1, true)] })
  assert.deepEqual(seqs(), [3, 2, 1])
  assert.equal(inbox.getSnapshot().unreadCount, 2)
  assert.equal(inbox.getSnapshot().isLoading, false)
})

test('events before and after the response appear once', async (t) => {
  const { inbox, requests, service, seqs } = await open(t)
  service.socket.establish(1)
  service.socket.event(2)
  service.socket.event(3)
  assert.equal(inbox.getSnapshot().unreadCount, 0, 'unknown before the first response')
  await requests[0]?.respond({ unread_count: 1, last_seq: 2, results: [notification(2), notification(1, true)] })
  service.socket.event(4)
  assert.deepEqual(seqs(), [4, 3, 2, 1])
  assert.equal(inbox.getSnapshot().unreadCount, 3)
})

test('an event that the response contains is not counted twice', async (t) => {
  const { inbox, requests, service, seqs } = await open(t)
  service.socket.establish(1)
  await requests[0]?.respond({ unread_count: 2, last_seq: 2, results: [notification(2), notification(1)] })
  service.socket.event(2)
  assert.deepEqual(seqs(), [2, 1])
  assert.equal(inbox.getSnapshot().unreadCount, 2)
})

test('what another device has marked as read is read here, in whichever order it arrives', async (t) => {
  const { inbox, requests, service } = await open(t)
  service.socket.establish(1)
  await requests[0]?.respond({ unread_count: 1, last_seq: 1, results: [notification(1)] })
  service.socket.event(2)
  service.socket.deliver({ type: 'notifications_read', data: { up_to: 1, unread_count: 0 } })
  assert.equal(inbox.getSnapshot().unreadCount, 1)
  assert.deepEqual(inbox.getSnapshot().notifications.map(({ is_read }) => is_read), [false, true])
})

test('marking as read shows at once, and is undone when the request fails', async (t) => {
  const { inbox, requests, service } = await open(t)
  service.socket.establish(2)
  await requests[0]?.respond({ unread_count: 1, last_seq: 2, results: [notification(2), notification(1, true)] })
  const reading = inbox.markRead()
  assert.equal(inbox.getSnapshot().unreadCount, 0)
  assert.deepEqual(requests[1]?.body, { up_to: 2 })
  await requests[1]?.fail(new Error('unavailable'))
  await reading
  assert.equal(inbox.getSnapshot().unreadCount, 1)
  assert.deepEqual(inbox.getSnapshot().notifications.map(({ is_read }) => is_read), [false, true])
  assert.equal(inbox.getSnapshot().error?.message, 'unavailable')
})

test('older notifications are loaded page by page', async (t) => {
  const { inbox, requests, service, seqs } = await open(t)
  service.socket.establish(60)
  const page = (/** @type {number} */ from, /** @type {number} */ to) =>
    Array.from({ length: from - to + 1 }, (_, n) => notification(from - n, true))
  await requests[0]?.respond({ unread_count: 0, last_seq: 60, results: page(60, 11) })
  assert.equal(inbox.getSnapshot().hasMore, true)
  const more = inbox.loadMore()
  assert.equal(requests[1]?.path, 'notifications/?limit=50&before=11')
  await requests[1]?.respond({ unread_count: 0, last_seq: 60, results: page(10, 1) })
  await more
  assert.deepEqual(seqs(), Array.from({ length: 60 }, (_, n) => 60 - n))
  assert.equal(inbox.getSnapshot().hasMore, false)
})

test('a resync reloads it, even if numbers begin again', async (t) => {
  const { inbox, requests, service, seqs } = await open(t)
  service.socket.establish(50)
  await requests[0]?.respond({ unread_count: 0, last_seq: 50, results: [notification(50, true)] })
  service.socket.deliver({ type: 'resync_required', seq: 2 })
  await requests[1]?.respond({ unread_count: 1, last_seq: 2, results: [notification(2), notification(1, true)] })
  assert.deepEqual(seqs(), [2, 1])
  assert.equal(inbox.getSnapshot().unreadCount, 1)
})

test('nothing is kept without a listener', async (t) => {
  const { inbox, requests, service, close, seqs } = await open(t)
  service.socket.establish(1)
  service.socket.event(2)
  close()
  await requests[0]?.respond({ unread_count: 1, last_seq: 1, results: [notification(1)] })
  assert.deepEqual(seqs(), [])
})

test('a load that fails is repeated, after as long as the service says', async (t) => {
  const { inbox, requests, service } = await open(t)
  service.socket.establish(3)
  await requests[0]?.fail(Object.assign(new Error('later'), { retryAfterSeconds: 7 }))
  assert.equal(inbox.getSnapshot().error?.message, 'later')
  assert.equal(requests.length, 1)
  t.mock.timers.tick(7000)
  await requests[1]?.fail(new Error('still'))
  t.mock.timers.tick(2000 * HALF)
  await requests[2]?.respond({ unread_count: 2, last_seq: 3, results: [notification(3), notification(2)] })
  assert.equal(inbox.getSnapshot().unreadCount, 2)
  assert.equal(inbox.getSnapshot().error, null)
})

test('a load that failed is repeated at once when the connection is live again', async (t) => {
  const { inbox, requests, service } = await open(t)
  service.socket.establish(3)
  service.socket.end(1006)
  await requests[0]?.fail(Object.assign(new Error('later'), { retryAfterSeconds: 3600 }))
  t.mock.timers.tick(500 * HALF)
  await settled()
  service.socket.establish(3)
  await requests[1]?.respond({ unread_count: 2, last_seq: 3, results: [notification(3), notification(2)] })
  assert.equal(inbox.getSnapshot().unreadCount, 2)
})

test('a reload after a resync that fails leaves what was shown, and is repeated', async (t) => {
  const { inbox, requests, service, seqs } = await open(t)
  service.socket.establish(2)
  await requests[0]?.respond({ unread_count: 1, last_seq: 2, results: [notification(2), notification(1, true)] })
  service.socket.deliver({ type: 'resync_required', seq: 900 })
  service.socket.event(901)
  await requests[1]?.fail(new Error('later'))
  assert.equal(inbox.getSnapshot().unreadCount, 1)
  assert.deepEqual(seqs(), [2, 1])
  t.mock.timers.tick(1000 * HALF)
  await requests[2]?.respond({ unread_count: 1, last_seq: 901, results: [notification(901), notification(900, true)] })
  assert.deepEqual(seqs(), [901, 900])
  assert.equal(inbox.getSnapshot().unreadCount, 1)
})

test('without a connection the page shows what there is', async (t) => {
  const { inbox, requests, service } = await open(t)
  service.socket.end(1006)
  await requests[0]?.respond({ unread_count: 2, last_seq: 3, results: [notification(3), notification(2)] })
  assert.equal(inbox.getSnapshot().unreadCount, 2)
})

test('what was read on another device while this one was away is read here', async (t) => {
  const { inbox, requests, service } = await open(t)
  service.socket.establish(2)
  await requests[0]?.respond({ unread_count: 2, last_seq: 2, results: [notification(2), notification(1)] })
  service.socket.end(1006)
  t.mock.timers.tick(500 * HALF)
  await settled()
  service.socket.deliver({ type: 'connection_established', message: '', user_id: 1, seq: 3, read_seq: 2 })
  service.socket.event(3)
  assert.equal(inbox.getSnapshot().unreadCount, 1)
  assert.deepEqual(inbox.getSnapshot().notifications.map(({ is_read }) => is_read), [false, true, true])
})
