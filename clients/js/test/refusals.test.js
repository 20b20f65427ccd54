import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settled, tokenOf } from './support/service.js'
import { HALF, start } from './support/start.js'

test('an expired token is replaced by a fresh one at once', async (t) => {
  const { service, tokenRequests, states } = start(t)
  await settled()
  service.socket.end(4001, 'token expired')
  await settled()
  assert.deepEqual(tokenRequests, [{}, { refused: 'token expired' }])
  service.socket.establish(0)
  assert.deepEqual(states(), ['connecting', 'connecting', 'live'])
})

test('a fresh token that is refused too, as by a clock that is behind, is tried again after a wait', async (t) => {
  let isFresh = false
  const { client, service, tokenRequests } = start(t, { getToken: ({ refused }) => tokenOf(1, { isFresh: (isFresh ||= !!refused) }) })
  await settled()
  service.socket.end(4001, 'token expired')
  await settled()
  service.socket.end(4001, 'token invalid')
  assert.equal(client.status.state, 'waiting')
  assert.equal(client.status.reason, 'token invalid')
  t.mock.timers.tick(500 * HALF)
  await settled()
  assert.deepEqual(tokenRequests, [{}, { refused: 'token expired' }, {}], 'the same token may be accepted by now')
  service.socket.establish(0)
  assert.equal(client.status.state, 'live')
})

test('after five refused tokens there is no attempt until connect', async (t) => {
  const { client, service } = start(t)
  for (let refusal = 0; refusal < 5; refusal++) {
    t.mock.timers.tick(10_000 * HALF)
    await settled()
    service.socket.end(4001, 'token invalid')
    await settled()
  }
  assert.equal(client.status.state, 'refused')
  assert.equal(client.status.reason, 'token invalid')
  t.mock.timers.tick(600_000)
  await settled()
  assert.equal(service.sockets.length, 5)
  client.connect()
  await settled()
  assert.equal(service.sockets.length, 6)
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
  test(`'${reason}' is final: no other token of that person would be accepted`, async (t) => {
    const { client, service, tokenRequests } = start(t)
    await settled()
    service.socket.end(4001, reason)
    await settled()
    assert.deepEqual(tokenRequests, [{}])
    assert.equal(client.status.state, 'refused')
  })
}

test('a live connection that is refused waits before it tries a fresh token', async (t) => {
  const { client, service, tokenRequests } = start(t)
  await settled()
  service.socket.establish(0)
  service.socket.end(4001, 'token invalid')
  assert.equal(client.status.state, 'waiting')
  t.mock.timers.tick(500 * HALF)
  await settled()
  assert.deepEqual(tokenRequests, [{}, { refused: 'token invalid' }])
})

test('if nobody is signed in, it is refused without a socket', async (t) => {
  const { client, service } = start(t, { getToken: () => null })
  await settled()
  assert.equal(service.sockets.length, 0)
  assert.equal(client.status.state, 'refused')
})

test('a token that is not available now is requested again', async (t) => {
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

test('a ticket is sent in the address, a new one for each attempt', async (t) => {
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

test('an expired ticket is replaced at once', async (t) => {
  /** @type {any[]} */
  const requests = []
  const { service } = start(t, {
    getTicket(request) {
      requests.push(request)
      return tokenOf(1, { ticket: requests.length })
    },
  })
  await settled()
  service.socket.end(4001, 'ticket expired')
  await settled()
  assert.deepEqual(requests, [{}, { refused: 'ticket expired' }])
  assert.equal(service.sockets.length, 2)
})

test('after a sign-out it does not reconnect with the same token, and reports the reason', async (t) => {
  const { client, service, tokenRequests } = start(t, { getToken: () => tokenOf(1) })
  await settled()
  service.socket.establish(0)
  service.socket.end(4001, 'signed out')
  t.mock.timers.tick(600_000)
  await settled()
  assert.deepEqual(tokenRequests, [{}, { refused: 'signed out' }])
  assert.equal(service.sockets.length, 1)
  assert.deepEqual([client.status.state, client.status.reason], ['refused', 'signed out'])
})

test('after a sign-out without another token it reports the reason as well', async (t) => {
  const { client, service } = start(t, { getToken: ({ refused }) => (refused ? null : tokenOf(1)) })
  await settled()
  service.socket.establish(0)
  service.socket.end(4001, 'signed out')
  t.mock.timers.tick(500 * HALF)
  await settled()
  assert.deepEqual([client.status.state, client.status.reason], ['refused', 'signed out'])
})

test('after a change of password in this page it reconnects with the new token', async (t) => {
  const { client, service } = start(t)
  await settled()
  service.socket.establish(7)
  service.socket.end(4001, 'signed out')
  t.mock.timers.tick(500 * HALF)
  await settled()
  assert.equal(service.socket.token, tokenOf(1, { request: 2 }))
  assert.equal(service.socket.cursor, '7')
  service.socket.establish(7)
  assert.equal(client.status.state, 'live')
})

test('after too many sockets it waits for at least half a minute', async (t) => {
  const { client, service } = start(t)
  await settled()
  service.socket.establish(0)
  t.mock.timers.tick(5000)
  service.socket.end(4029, 'too many sockets')
  assert.deepEqual([client.status.state, client.status.reason], ['waiting', 'too many sockets'])
  assert.equal(client.status.nextAttemptAt, Date.now() + 30_000 + 30_000 * HALF)
})

test('after too many connects the pause is the same each time', async (t) => {
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

test('a service that is unavailable now is handled like any other loss', async (t) => {
  const { service, statuses } = start(t)
  await settled()
  service.socket.end(1013, 'try again later')
  assert.equal(statuses.at(-1)?.nextAttemptAt, Date.now() + 500 * HALF)
})
