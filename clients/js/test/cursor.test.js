import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStorage, settled, tokenOf } from './support/service.js'
import { HALF, start } from './support/start.js'

test('without a cursor the feed begins at the end of the inbox', async (t) => {
  const { service, events } = start(t)
  await settled()
  assert.equal(service.socket.cursor, null)
  service.socket.establish(41)
  service.socket.event(42)
  service.socket.end(1006)
  t.mock.timers.tick(500 * HALF)
  await settled()
  assert.equal(service.socket.cursor, '42')
  assert.deepEqual(events, [42])
})

test('a connection that received no event resumes from where it began', async (t) => {
  const { service } = start(t)
  await settled()
  service.socket.establish(0)
  service.socket.end(1006)
  t.mock.timers.tick(500 * HALF)
  await settled()
  assert.equal(service.socket.cursor, '0')
})

test('the last number of the inbox does not skip what is replayed', async (t) => {
  const { service, events } = start(t, { cursor: 3 })
  await settled()
  service.socket.establish(6)
  for (const seq of [4, 5, 6]) service.socket.event(seq)
  assert.deepEqual(events, [4, 5, 6])
})

test('repeats are dropped', async (t) => {
  const { service, events } = start(t, { cursor: 3 })
  await settled()
  service.socket.establish(6)
  for (const seq of [3, 4, 4, 5, 4, 6, 6]) service.socket.event(seq)
  assert.deepEqual(events, [4, 5, 6])
})

test('a frame without a number is delivered and does not move the cursor', async (t) => {
  const { service, events } = start(t, { cursor: 3 })
  await settled()
  service.socket.establish(3)
  service.socket.deliver({ type: 'new_post', data: {} })
  service.socket.event(4)
  assert.deepEqual(events, ['new_post', 4])
})

test('a gap is closed by resuming from before it', async (t) => {
  const { service, events } = start(t, { cursor: 3 })
  await settled()
  service.socket.establish(3)
  service.socket.event(5)
  await settled()
  assert.deepEqual(events, [])
  assert.equal(service.socket.cursor, '3')
  service.socket.establish(5)
  service.socket.event(4)
  service.socket.event(5)
  assert.deepEqual(events, [4, 5])
  assert.equal(service.open.length, 1)
})

test('a gap that the service leaves itself is requested once', async (t) => {
  const { service, events } = start(t, { cursor: 3 })
  await settled()
  service.socket.establish(3)
  service.socket.event(5)
  await settled()
  service.socket.establish(5)
  service.socket.event(5)
  assert.deepEqual(events, [5])
  assert.equal(service.sockets.length, 2)
})

test('an inbox that does not reach back to the cursor causes a resync, and the feed continues from there', async (t) => {
  const { client, service, events } = start(t, { cursor: 3 })
  /** @type {number[]} */
  const resyncs = []
  client.on('resync', ({ seq }) => resyncs.push(seq))
  await settled()
  service.socket.establish(900)
  service.socket.deliver({ type: 'resync_required', seq: 900 })
  service.socket.event(901)
  assert.deepEqual(resyncs, [900])
  assert.deepEqual(events, [900, 901])
})

test('a cursor ahead of the inbox is moved back', async (t) => {
  const { service, events } = start(t, { cursor: 50 })
  await settled()
  service.socket.establish(2)
  service.socket.deliver({ type: 'resync_required', seq: 2 })
  service.socket.event(3)
  assert.deepEqual(events, [2, 3])
})

test('a stored cursor outlives the page', async (t) => {
  const storage = createStorage()
  const first = start(t, { storage })
  await settled()
  first.service.socket.establish(7)
  first.service.socket.event(8)
  first.client.close()
  t.mock.timers.reset()
  const second = start(t, { storage })
  await settled()
  assert.equal(second.service.socket.cursor, '8')
})

test('each person has a cursor of their own', async (t) => {
  const storage = createStorage()
  let person = 1
  const { client, service } = start(t, { storage, getToken: () => tokenOf(person) })
  const signIn = async (/** @type {number} */ next) => {
    client.close()
    person = next
    client.connect()
    await settled()
    return service.socket
  }
  await settled()
  service.socket.establish(70)
  service.socket.event(71)
  const second = await signIn(2)
  assert.equal(second.cursor, null)
  second.establish(5)
  second.event(6)
  assert.equal((await signIn(1)).cursor, '71')
  assert.equal((await signIn(2)).cursor, '6')
})

test('a sign-out leaves nothing in the storage', async (t) => {
  const storage = createStorage()
  const { client, service } = start(t, { storage })
  await settled()
  service.socket.establish(7)
  assert.equal(storage.values.size, 1)
  client.close({ forget: true })
  assert.equal(storage.values.size, 0)
})

test('closing and forgetting within a handler leaves nothing in the storage', async (t) => {
  const storage = createStorage()
  const { client, service, events } = start(t, { storage })
  client.on('new_message', () => client.close({ forget: true }))
  await settled()
  service.socket.establish(7)
  service.socket.event(8)
  service.socket.event(9)
  assert.equal(storage.values.size, 0)
  assert.deepEqual(events, [], 'handlers after the one that closed are not called')
})

test('a storage that fails loses no event', async (t) => {
  const fail = () => {
    throw new Error('denied')
  }
  const { service, events } = start(t, { storage: { getItem: fail, setItem: fail, removeItem: fail } })
  await settled()
  service.socket.establish(0)
  service.socket.event(1)
  assert.deepEqual(events, [1])
})

test('a stored cursor that is not a number is not sent', async (t) => {
  const storage = { ...createStorage(), getItem: () => 'NaN' }
  const { service } = start(t, { storage })
  await settled()
  assert.equal(service.socket.cursor, null)
})

test('an error in a handler does not affect other handlers and is reported as the page’s own', async (t) => {
  const { client, service, events } = start(t)
  /** @type {unknown[]} */
  const errors = []
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.once('uncaughtException', (error) => errors.push(error))
  t.after(() => listeners.forEach((listener) => process.on('uncaughtException', listener)))
  const handlerError = new Error('handler')
  client.on('new_message', () => {
    throw handlerError
  })
  await settled()
  service.socket.establish(0)
  service.socket.event(1)
  service.socket.event(2, 'friend_accepted')
  await settled()
  assert.deepEqual(events, [1, 2])
  assert.deepEqual(errors, [handlerError])
})

test('a handler that was removed is not called', async (t) => {
  const { client, service } = start(t)
  /** @type {number[]} */
  const seen = []
  const remove = client.on('new_message', ({ id }) => seen.push(id))
  await settled()
  service.socket.establish(0)
  service.socket.event(1)
  remove()
  service.socket.event(2)
  assert.deepEqual(seen, [1])
})
