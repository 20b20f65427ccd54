import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settled, tokenOf } from './support/service.js'
import { HALF, start } from './support/start.js'

test('the token is sent as a subprotocol and is in no URL', async (t) => {
  const { service } = start(t)
  await settled()
  assert.equal(service.socket.url.href, 'wss://api.example.org/ws/notifications/')
  assert.deepEqual(service.socket.protocols, ['numeneon.v1', `bearer.${tokenOf(1, { request: 1 })}`])
})

test('a service below a path keeps its path', async (t) => {
  const { service } = start(t, { url: 'http://127.0.0.1:8000/social/' })
  await settled()
  assert.equal(service.socket.url.href, 'ws://127.0.0.1:8000/social/ws/notifications/')
})

test('a connection is live at its first frame, not when the socket opens', async (t) => {
  const { service, states } = start(t)
  await settled()
  service.socket.readyState = 1
  assert.deepEqual(states(), ['connecting'])
  service.socket.establish(0)
  assert.deepEqual(states(), ['connecting', 'live'])
})

test('every connection requests a token', async (t) => {
  const { service, tokenRequests } = start(t)
  await settled()
  service.socket.establish(0)
  service.socket.end(1006)
  t.mock.timers.tick(500 * HALF)
  await settled()
  assert.deepEqual(tokenRequests, [{}, {}])
  assert.equal(service.socket.token, tokenOf(1, { request: 2 }))
})

test('windows double from half a second to twenty seconds, without an upper number of attempts', async (t) => {
  const { service, statuses } = start(t)
  const waits = []
  for (let attempt = 0; attempt < 40; attempt++) {
    await settled()
    service.socket.end(1006)
    const wait = (statuses.at(-1)?.nextAttemptAt ?? 0) - Date.now()
    waits.push(wait / HALF)
    t.mock.timers.tick(wait)
  }
  assert.deepEqual(waits.slice(0, 8), [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000])
  assert.equal(waits.at(-1), 20_000)
  assert.equal(service.sockets.length, 40)
})

test('a wait is a random part of its window', async (t) => {
  const { service, statuses } = start(t)
  await settled()
  t.mock.method(Math, 'random', () => 0.01)
  service.socket.end(1006)
  assert.equal(statuses.at(-1)?.nextAttemptAt, Date.now() + 5)
})

test('only a connection that lasted begins again with the first window', async (t) => {
  const { service, statuses } = start(t)
  const wait = () => (statuses.at(-1)?.nextAttemptAt ?? 0) - Date.now()
  await settled()
  service.socket.end(1006)
  t.mock.timers.tick(wait())
  await settled()
  service.socket.establish(0)
  service.socket.end(1006)
  assert.equal(wait(), 1000 * HALF, 'opened and closed at once')
  t.mock.timers.tick(wait())
  await settled()
  service.socket.establish(0)
  t.mock.timers.tick(5000)
  service.socket.end(1006)
  assert.equal(wait(), 500 * HALF, 'lasted five seconds')
})

test('after a restart of the service it reconnects within a second, with its cursor', async (t) => {
  const { service, statuses } = start(t)
  await settled()
  service.socket.establish(7)
  service.socket.end(1012, 'service restart')
  assert.equal(statuses.at(-1)?.reason, 'service restart')
  assert.equal(statuses.at(-1)?.nextAttemptAt, Date.now() + 1000 * HALF)
  t.mock.timers.tick(1000 * HALF)
  await settled()
  assert.equal(service.socket.cursor, '7')
})

test('a reader that was too slow reconnects with its cursor', async (t) => {
  const { service } = start(t)
  await settled()
  service.socket.establish(7)
  service.socket.event(8)
  service.socket.end(4008)
  t.mock.timers.tick(500 * HALF)
  await settled()
  assert.equal(service.socket.cursor, '8')
})

test('a close with 1000 by the service is handled like any other loss', async (t) => {
  const { service, statuses } = start(t)
  await settled()
  service.socket.establish(0)
  service.socket.end(1000)
  assert.equal(statuses.at(-1)?.state, 'waiting')
})

test('an attempt without a token or a handshake is abandoned after ten seconds', async (t) => {
  const { client, service } = start(t)
  await settled()
  t.mock.timers.tick(10_000)
  assert.equal(client.status.state, 'waiting')
  assert.equal(service.open.length, 0)
})

test('silence leads to a ping, and without a response the connection is dead', async (t) => {
  const { client, service, events } = start(t)
  await settled()
  const { socket } = service
  socket.establish(3)
  t.mock.timers.tick(24_999)
  assert.deepEqual(socket.received, [])
  t.mock.timers.tick(1)
  assert.deepEqual(socket.received, [{ type: 'ping' }])
  t.mock.timers.tick(4999)
  assert.equal(client.status.state, 'live')
  t.mock.timers.tick(1)
  assert.equal(client.status.state, 'waiting')
  assert.equal(client.status.reason, 'no answer')
  socket.event(4)
  assert.equal(service.open.length, 0, 'the dead socket is closed')
  assert.deepEqual(events, [], 'and its frames are ignored')
})

test('a pong, or any other frame, shows that the connection is alive', async (t) => {
  const { client, service, events } = start(t)
  await settled()
  service.socket.establish(0)
  for (let round = 0; round < 5; round++) {
    t.mock.timers.tick(25_000)
    service.socket.deliver(round % 2 ? { type: 'pong' } : { type: 'notifications_read', data: {} })
    t.mock.timers.tick(5000)
  }
  assert.equal(client.status.state, 'live')
  assert.deepEqual(events, Array(3).fill('notifications_read'))
})

test('connect makes an attempt at once instead of waiting', async (t) => {
  const { client, service } = start(t)
  await settled()
  service.socket.end(1006)
  client.connect()
  await settled()
  assert.equal(service.sockets.length, 2)
  client.connect()
  await settled()
  assert.equal(service.sockets.length, 2, 'an attempt is in progress already')
})

test('nothing happens after close, whatever was in progress', async (t) => {
  /** @type {(token: string) => void} */
  let provide = () => {}
  const { client, service } = start(t, { getToken: () => new Promise((resolve) => (provide = resolve)) })
  client.close()
  provide(tokenOf(1))
  await settled()
  assert.equal(service.sockets.length, 0)
  client.connect()
  provide(tokenOf(1))
  await settled()
  service.socket.establish(0)
  client.close()
  service.socket.end(1006)
  t.mock.timers.tick(600_000)
  await settled()
  assert.equal(service.sockets.length, 1)
  assert.equal(client.status.state, 'closed')
})

test('connect, close and connect in the same turn, as in Strict Mode, open one socket', async (t) => {
  const { client, service } = start(t)
  client.close()
  client.connect()
  await settled()
  assert.equal(service.sockets.length, 1)
})

test('an address that no socket accepts is a refusal', async (t) => {
  const { client } = start(t, { getToken: () => 'not a subprotocol', WebSocket: /** @type {any} */ (class {
    constructor() {
      throw new SyntaxError('invalid subprotocol')
    }
  }) })
  await settled()
  assert.equal(client.status.state, 'refused')
  assert.match(client.status.reason ?? '', /invalid subprotocol/)
})

test('a line on which opening takes 12 s gets the time that it needs, and keeps it', async (t) => {
  const { service, client } = start(t)
  await settled()
  t.mock.timers.tick(10_000)
  assert.equal(client.status.state, 'waiting')
  t.mock.timers.tick(500 * HALF)
  await settled()
  t.mock.timers.tick(12_000)
  service.socket.establish(0)
  assert.equal(client.status.state, 'live')
  service.socket.end(1006)
  t.mock.timers.tick(10_000)
  await settled()
  t.mock.timers.tick(12_000)
  assert.equal(client.status.state, 'connecting')
  service.socket.establish(0)
  assert.equal(service.sockets.length, 3)
})

test('a line on which a pong takes 6 s loses one socket by it, and no second one', async (t) => {
  const { service, client } = start(t)
  await settled()
  service.socket.establish(0)
  t.mock.timers.tick(25_000)
  t.mock.timers.tick(5000)
  assert.equal(client.status.state, 'waiting')
  t.mock.timers.tick(500 * HALF)
  await settled()
  service.socket.establish(0)
  for (let ping = 0; ping < 3; ping++) {
    t.mock.timers.tick(25_000)
    t.mock.timers.tick(6000)
    service.socket.deliver({ type: 'pong' })
    assert.equal(client.status.state, 'live')
  }
  assert.equal(service.sockets.length, 2)
})
