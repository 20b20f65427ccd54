import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRest, RestError } from '../src/rest.js'
import { serve } from './support/http.js'
import { createStorage, tokenOf } from './support/service.js'
import { REFUSED, tokenFor, tokenService } from './support/tokens.js'

test('requests carry the token of whoever signed in', async (t) => {
  const service = await tokenService(t)
  const rest = createRest({ url: `${service.url}/` })
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  assert.equal(rest.userId, 1)
  assert.equal((await rest.me()).username, 'ada')
})

test('however many requests are refused together, the token is renewed once', async (t) => {
  const service = await tokenService(t)
  const rest = createRest({ url: service.url })
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  service.valid.access = 'revoked'
  const all = await Promise.all(Array.from({ length: 20 }, () => rest.me()))
  assert.equal(all.length, 20)
  assert.equal(service.refreshes().length, 1)
})

test('a token that is about to expire is renewed before it is used', async (t) => {
  const service = await tokenService(t)
  const rest = createRest({ url: service.url })
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  const now = Date.now
  t.mock.method(Date, 'now', () => now() + 3_580_000)
  await rest.me()
  assert.equal(service.refreshes().length, 1)
  assert.equal(service.requests.filter(({ path }) => path === '/api/auth/me/').length, 1)
})

test('a token that is valid for a few seconds is not renewed at every request', async (t) => {
  const service = await tokenService(t)
  service.valid.access = tokenFor(1, 20)
  const rest = createRest({ url: service.url })
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  await rest.me()
  assert.equal(service.refreshes().length, 0)
})

test('with a clock an hour ahead the token is not renewed at every request', async (t) => {
  const service = await tokenService(t)
  const now = Date.now
  const rest = createRest({ url: service.url })
  t.mock.method(Date, 'now', () => now() + 4_000_000)
  service.valid.access = tokenOf(1, { iat: Math.floor(now() / 1000), exp: Math.floor(now() / 1000) + 3600 })
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  await rest.me()
  assert.equal(service.refreshes().length, 0)
})

test('the next renewal uses the rotated refresh token', async (t) => {
  const service = await tokenService(t)
  const rest = createRest({ url: service.url })
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  for (let round = 0; round < 2; round++) {
    service.valid.access = 'revoked'
    await rest.me()
  }
  assert.deepEqual(service.refreshes().map(({ body }) => body.refresh), ['refresh-1', 'refresh-2'])
})

test('a refresh token that is no longer accepted signs out', async (t) => {
  const service = await tokenService(t)
  const storage = createStorage()
  const rest = createRest({ url: service.url, storage })
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  let changes = 0
  rest.subscribe(() => changes++)
  service.valid.access = 'revoked'
  storage.setItem('numeneon:session', JSON.stringify({ access: tokenFor(1, 3600), refresh: 'stale' }))
  const later = createRest({ url: service.url, storage })
  later.subscribe(() => changes++)
  await assert.rejects(later.me(), { status: 401 })
  assert.equal(later.userId, null)
  assert.equal(changes, 1)
  assert.equal(storage.values.size, 0)
  assert.equal(await later.accessToken(), null)
})

test('a service that cannot renew tokens now does not sign out', async (t) => {
  const service = await tokenService(t, {
    'POST /api/auth/token/refresh/': () => ({ status: 503, body: { detail: 'Database is unavailable.' }, headers: { 'Retry-After': '2' } }),
  })
  const rest = createRest({ url: service.url })
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  await assert.rejects(rest.accessToken({ refused: 'token expired' }), { status: 503, retryAfterSeconds: 2 })
  assert.equal(rest.userId, 1)
})

test('a renewal that ends after the sign-out does not sign in again', async (t) => {
  /** @type {(response: any) => void} */
  let respond = () => {}
  const service = await tokenService(t, {
    'POST /api/auth/token/refresh/': () => new Promise((resolve) => (respond = resolve)),
  })
  const storage = createStorage()
  const rest = createRest({ url: service.url, storage })
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  const token = rest.accessToken({ refused: 'token expired' })
  while (!service.refreshes().length) await new Promise(setImmediate)
  const signedOut = rest.signOut()
  respond({ body: { access: tokenFor(1, 3600), refresh: 'refresh-9' } })
  assert.equal(await token, null)
  await signedOut
  assert.equal(rest.userId, null)
  assert.equal(storage.values.size, 0)
})

test('a refused renewal does not sign out somebody who signed in meanwhile', async (t) => {
  /** @type {(response: any) => void} */
  let respond = () => {}
  const service = await tokenService(t, {
    'POST /api/auth/token/refresh/': () => new Promise((resolve) => (respond = resolve)),
  })
  const rest = createRest({ url: service.url })
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  const token = rest.accessToken({ refused: 'token expired' })
  while (!service.refreshes().length) await new Promise(setImmediate)
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  respond(REFUSED)
  assert.equal(await token, null)
  assert.equal(rest.userId, 1)
})

test('a refused request is not repeated as somebody who signed in meanwhile', async (t) => {
  let person = 1
  const service = await tokenService(t, {
    'POST /api/auth/login/': () => ({ body: { access: tokenFor(person, 3600), refresh: 'refresh' } }),
    'POST /api/messages/': async () => {
      person = 2
      await rest.signIn({ email: 'grace@example.org', password: 'hopper' })
      return REFUSED
    },
  })
  const rest = createRest({ url: service.url })
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  await assert.rejects(rest.sendMessage({ receiver_id: 3, content: 'hi' }), { status: 401 })
  assert.equal(service.requests.filter(({ path }) => path === '/api/messages/').length, 1)
  assert.equal(rest.userId, 2)
})

test('the session outlives the page in its storage', async (t) => {
  const service = await tokenService(t)
  const storage = createStorage()
  await createRest({ url: service.url, storage }).signIn({ email: 'ada@example.org', password: 'lovelace' })
  const rest = createRest({ url: service.url, storage })
  assert.equal(rest.userId, 1)
  assert.equal((await rest.me()).username, 'ada')
})

test('open routes are called without the stored token', async (t) => {
  const service = await tokenService(t, { 'POST /api/auth/signup/': () => ({ status: 201 }) })
  const rest = createRest({ url: service.url })
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  await rest.signUp({ username: 'grace', email: 'grace@example.org', password: 'hopper' })
  assert.equal(service.requests.at(-1)?.token, undefined)
})

for (const [body, message] of /** @type {const} */ ([
  [{ detail: 'Not found.' }, 'Not found.'],
  [{ error: 'You cannot friend yourself', detail: 'You cannot friend yourself' }, 'You cannot friend yourself'],
  [{ receiver_id: ['User not found.'] }, 'User not found.'],
  [{ refresh: ['This field is required.'] }, 'This field is required.'],
  [null, 'The service responded with status 400.'],
])) {
  test(`an error has the message '${message}'`, async (t) => {
    const service = await tokenService(t, { 'GET /api/friends/': () => ({ status: 400, body }) })
    const error = await createRest({ url: service.url }).friends().catch((/** @type {unknown} */ error) => error)
    assert(error instanceof RestError)
    assert.equal(error.message, message)
    assert.equal(error.status, 400)
    assert.deepEqual(error.body, body)
  })
}

test('each function calls its own route', async (t) => {
  const service = await serve(t, {})
  const rest = createRest({ url: service.url })
  const calls = /** @type {[() => Promise<any>, string, any?][]} */ ([
    [() => rest.me(), 'GET /api/auth/me/'],
    [() => rest.changeProfile({ bio: 'x' }), 'PATCH /api/auth/profile/', { bio: 'x' }],
    [() => rest.search('a b&c'), 'GET /api/auth/search/?q=a+b%26c'],
    [() => rest.user('a/b'), 'GET /api/auth/users/a%2Fb/'],
    [() => rest.friends(), 'GET /api/friends/'],
    [() => rest.friendRequests(), 'GET /api/friends/requests/'],
    [() => rest.suggestions(), 'GET /api/friends/suggestions/'],
    [() => rest.requestFriend(7), 'POST /api/friends/request/7/'],
    [() => rest.acceptFriend(7), 'POST /api/friends/accept/7/'],
    [() => rest.declineFriend(7), 'POST /api/friends/decline/7/'],
    [() => rest.cancelFriend(7), 'DELETE /api/friends/cancel/7/'],
    [() => rest.removeFriend(7), 'DELETE /api/friends/remove/7/'],
    [() => rest.sendMessage({ receiver_id: 7, content: 'hi' }), 'POST /api/messages/', { receiver_id: 7, content: 'hi' }],
    [() => rest.messages(), 'GET /api/messages/'],
    [() => rest.messages({ limit: 5, before: 9 }), 'GET /api/messages/?limit=5&before=9'],
    [() => rest.conversations(), 'GET /api/messages/conversations/'],
    [() => rest.conversation(7, { limit: 5 }), 'GET /api/messages/conversation/7/?limit=5'],
    [() => rest.readConversation(7), 'POST /api/messages/conversation/7/read/'],
    [() => rest.readMessage(7), 'PATCH /api/messages/7/read/'],
    [() => rest.notifications({ limit: 5 }), 'GET /api/notifications/?limit=5'],
    [() => rest.wsTicket(), 'POST /api/auth/ws-ticket/'],
    [() => rest.signOutEverywhere(), 'POST /api/auth/logout/all/'],
    [() => rest.changePassword({ old_password: 'a', new_password: 'b' }), 'POST /api/auth/password/', { old_password: 'a', new_password: 'b' }],
    [() => rest.readNotifications(7), 'POST /api/notifications/read/', { up_to: 7 }],
  ])
  for (const [call, route, body] of calls) {
    await assert.rejects(call(), { status: 404 })
    const received = service.requests.at(-1)
    assert.equal(`${received?.method} ${received?.path}`, route)
    assert.deepEqual(received?.body, body)
  }
})
