import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settled, tokenOf } from './support/service.js'
import { HALF, start } from './support/start.js'

test('an expired token is replaced by a fresh one at once', async (t) => {
  const { service, asked, states } = start(t)
  await settled()
  service.socket.end(4001, 'token expired')
  await settled()
  assert.deepEqual(asked, [{}, { refused: 'token expired' }])
  service.socket.establish(0)
  assert.deepEqual(states(), ['connecting', 'connecting', 'live'])
})

test('a second refused token ends it until connect', async (t) => {
  const { client, service } = start(t)
  await settled()
  service.socket.end(4001, 'token expired')
  await settled()
  service.socket.end(4001, 'token invalid')
  assert.equal(client.status.state, 'refused')
  assert.equal(client.status.reason, 'token invalid')
  t.mock.timers.tick(600_000)
  await settled()
  assert.equal(service.sockets.length, 2)
  client.connect()
  await settled()
  assert.equal(service.sockets.length, 3)
})

test('the token that was refused is not sent a second time', async (t) => {
  const { client, service } = start(t, { getToken: () => tokenOf(1) })
  await settled()
  service.socket.end(4001, 'token expired')
  await settled()
  assert.equal(service.sockets.length, 1)
  assert.equal(client.status.state, 'refused')
})

for (const reason of ['token missing', 'user not found', 'user inactive']) {
  test(`'${reason}' is final: no other token of that person would do`, async (t) => {
    const { client, service, asked } = start(t)
    await settled()
    service.socket.end(4001, reason)
    await settled()
    assert.deepEqual(asked, [{}])
    assert.equal(client.status.state, 'refused')
  })
}

test('a live connection that is refused waits before it tries a fresh token', async (t) => {
  const { client, service, asked } = start(t)
  await settled()
  service.socket.establish(0)
  service.socket.end(4001, 'token invalid')
  assert.equal(client.status.state, 'waiting')
  t.mock.timers.tick(500 * HALF)
  await settled()
  assert.deepEqual(asked, [{}, { refused: 'token invalid' }])
})

test('nobody signed in is a refusal without a socket', async (t) => {
  const { client, service } = start(t, { getToken: () => null })
  await settled()
  assert.equal(service.sockets.length, 0)
  assert.equal(client.status.state, 'refused')
})

test('a token that cannot be had now is asked for again', async (t) => {
  let fails = true
  const { client, service } = start(t, {
    getToken: async () => {
      if (fails) throw new Error('fetch failed')
      return tokenOf(1)
    },
  })
  await settled()
  assert.equal(client.status.state, 'waiting')
  assert.equal(client.status.reason, 'fetch failed')
  fails = false
  t.mock.timers.tick(500 * HALF)
  await settled()
  assert.equal(service.sockets.length, 1)
})

test('a ticket travels in the address, a new one for each attempt', async (t) => {
  let tickets = 0
  const { service } = start(t, { getTicket: () => tokenOf(1, { ticket: ++tickets }) })
  await settled()
  assert.equal(service.socket.url.searchParams.get('ticket'), tokenOf(1, { ticket: 1 }))
  assert.deepEqual(service.socket.protocols, ['numeneon.v1'])
  service.socket.establish(7)
  service.socket.end(1006)
  t.mock.timers.tick(500 * HALF)
  await settled()
  assert.equal(service.socket.url.searchParams.get('ticket'), tokenOf(1, { ticket: 2 }))
  assert.equal(service.socket.cursor, '7')
})

test('a ticket that came too late is replaced at once', async (t) => {
  /** @type {any[]} */
  const asked = []
  const { service } = start(t, { getTicket: (ask) => (asked.push(ask), tokenOf(1, { ticket: asked.length })) })
  await settled()
  service.socket.end(4001, 'ticket expired')
  await settled()
  assert.deepEqual(asked, [{}, { refused: 'ticket expired' }])
  assert.equal(service.sockets.length, 2)
})

test('signed out, it does not come back with the same token, and says why', async (t) => {
  const { client, service, asked } = start(t, { getToken: () => tokenOf(1) })
  await settled()
  service.socket.establish(0)
  service.socket.end(4001, 'signed out')
  t.mock.timers.tick(600_000)
  await settled()
  assert.deepEqual(asked, [{}, { refused: 'signed out' }])
  assert.equal(service.sockets.length, 1)
  assert.deepEqual([client.status.state, client.status.reason], ['refused', 'signed out'])
})

test('signed out with no other token to be had, it says why as well', async (t) => {
  const { client, service } = start(t, { getToken: ({ refused }) => (refused ? null : tokenOf(1)) })
  await settled()
  service.socket.establish(0)
  service.socket.end(4001, 'signed out')
  t.mock.timers.tick(500 * HALF)
  await settled()
  assert.deepEqual([client.status.state, client.status.reason], ['refused', 'signed out'])
})

test('signed out by a change of password in this page, it comes back with the new token', async (t) => {
  const { client, service } = start(t)
  await settled()
  service.socket.establish(7)
  service.socket.end(4001, 'signed out')
  t.mock.timers.tick(500 * HALF)
  await settled()
  assert.equal(service.socket.token, tokenOf(1, { asked: 2 }))
  assert.equal(service.socket.cursor, '7')
  service.socket.establish(7)
  assert.equal(client.status.state, 'live')
})

test('too many sockets: it waits for half a minute at least', async (t) => {
  const { client, service } = start(t)
  await settled()
  service.socket.establish(0)
  t.mock.timers.tick(5000)
  service.socket.end(4029, 'too many sockets')
  assert.deepEqual([client.status.state, client.status.reason], ['waiting', 'too many sockets'])
  assert.equal(client.status.nextAttemptAt, Date.now() + 30_000 + 30_000 * HALF)
})

test('too many again and again: each time as long a pause', async (t) => {
  const { service, statuses } = start(t)
  const waits = []
  for (let attempt = 0; attempt < 3; attempt++) {
    await settled()
    service.socket.end(4029, 'too many connects')
    const wait = (statuses.at(-1)?.nextAttemptAt ?? 0) - Date.now()
    waits.push(wait)
    t.mock.timers.tick(wait)
  }
  assert.deepEqual(waits, [45_000, 45_000, 45_000])
})

test('a service that cannot be asked now is a loss like any other', async (t) => {
  const { service, statuses } = start(t)
  await settled()
  service.socket.end(1013, 'try again later')
  assert.equal(statuses.at(-1)?.nextAttemptAt, Date.now() + 500 * HALF)
})
