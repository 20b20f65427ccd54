import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRest, RestError } from '../src/rest.js'
import { FOREIGN_PAGE, HANGS, serve } from './support/http.js'
import { createStorage, settled } from './support/service.js'
import { QUICK, signedIn, tokenFor, tokenService } from './support/tokens.js'

const UNREACHABLE = { name: 'RestError', status: 0, message: 'The service cannot be reached now.' }

/** Responses to a refresh that do not come from the service, or not whole. */
const NOT_OF_THE_SERVICE = /** @type {[string, object][]} */ ([
  ['a page of HTML', FOREIGN_PAGE],
  ['other JSON', { body: { maintenance: true } }],
  ['a list', { body: [] }],
  ['tokens that are none', { body: { access: 'x', refresh: 'y' } }],
  ['no body', { text: '' }],
  ['a body cut in the middle', { body: { access: tokenFor(1, 3600), refresh: 'refresh-2' }, cut: true }],
  ['the tokens of somebody else', { body: { access: tokenFor(2, 3600), refresh: 'refresh-2' } }],
  ['a portal’s own 401', { ...FOREIGN_PAGE, status: 401 }],
  ['a gateway’s own 401', { status: 401, body: { message: 'Unauthorized' } }],
  ['a gateway’s own 400', { status: 400, body: { error: 'Bad Request' } }],
  ['a gateway’s own 403', { status: 403, body: { detail: 'Forbidden' } }],
])

for (const [name, response] of NOT_OF_THE_SERVICE) {
  test(`${name} in response to a refresh neither signs out nor is stored`, async (t) => {
    const service = await tokenService(t, { 'POST /api/auth/token/refresh/': () => response })
    const storage = createStorage()
    const rest = await signedIn(service, storage)
    const before = storage.getItem('numeneon:session')
    service.valid.access = 'revoked'
    await assert.rejects(rest.me(), RestError)
    assert.equal(rest.userId, 1)
    assert.equal(storage.getItem('numeneon:session'), before)
  })
}

for (const [name, response] of /** @type {[string, object][]} */ ([
  ['a token', { status: 401, body: { detail: 'Token is expired', code: 'token_not_valid' } }],
  ['the account', { status: 401, body: { detail: 'No active account found for the given token.' } }],
  ['an empty token', { status: 400, body: { refresh: ['This field may not be blank.'] } }],
])) {
  test(`the service’s own refusal of ${name} signs out`, async (t) => {
    const service = await tokenService(t, { 'POST /api/auth/token/refresh/': () => response })
    const rest = await signedIn(service)
    service.valid.access = 'revoked'
    await assert.rejects(rest.me(), { status: 401 })
    assert.equal(rest.userId, null)
  })
}

test('a sign-in that gets the page of a portal stores nothing', async (t) => {
  for (const response of [FOREIGN_PAGE, { body: { maintenance: true } }]) {
    const service = await tokenService(t, { 'POST /api/auth/login/': () => response })
    const storage = createStorage()
    await assert.rejects(signedIn(service, storage), UNREACHABLE)
    assert.equal(storage.values.size, 0)
  }
})

test('a refresh that hangs is given up, and a new one follows', async (t) => {
  let isHanging = true
  const service = await tokenService(t)
  const { valid } = service
  const rest = await signedIn(service, undefined, {
    // A fetch that does not even listen to its signal.
    fetch: (input, init) => (isHanging && String(input).endsWith('/refresh/') ? new Promise(() => {}) : fetch(input, init)),
    timings: { ...QUICK, requestMs: 100, attempts: 1 },
  })
  valid.access = 'revoked'
  await assert.rejects(Promise.all([rest.me(), rest.friends().catch(() => {})]), UNREACHABLE)
  isHanging = false
  assert.equal((await rest.me()).username, 'ada')
})

test('a change of password that hangs does not hold up other requests for ever', async (t) => {
  const service = await tokenService(t, { 'POST /api/auth/password/': () => HANGS })
  const rest = await signedIn(service, undefined, { timings: { ...QUICK, requestMs: 100 } })
  const change = rest.changePassword({ old_password: 'a', new_password: 'b' })
  await assert.rejects(change, UNREACHABLE)
  service.valid.access = 'revoked'
  assert.equal((await rest.me()).username, 'ada')
})

test('a request can be aborted, also while it waits for a refresh that others share', async (t) => {
  /** @type {(response: any) => void} */
  let respond = () => {}
  const service = await tokenService(t, { 'POST /api/auth/token/refresh/': () => new Promise((resolve) => (respond = resolve)) })
  const rest = await signedIn(service)
  service.valid.access = tokenFor(1, 3600, 5)
  const controller = new AbortController()
  const aborted = rest.with(controller.signal).me()
  const other = rest.me()
  while (!service.refreshes().length) await settled()
  controller.abort()
  await assert.rejects(aborted, { name: 'AbortError' })
  respond({ body: service.valid })
  assert.equal((await other).username, 'ada')
  assert.equal(service.refreshes().length, 1)
  await assert.rejects(rest.with(controller.signal).me(), { name: 'AbortError' })
})

test('requests that wait for a refresh do not start a second one, however short-lived its token', async (t) => {
  const service = await tokenService(t)
  const rest = await signedIn(service)
  const now = Date.now
  t.mock.method(Date, 'now', () => now() + 3_590_000)
  await Promise.all(Array.from({ length: 5 }, () => rest.me().catch(() => {})))
  assert.equal(service.refreshes().length, 1)
})

test('a list that is cut in the middle, or that is no list, rejects', async (t) => {
  for (const response of [{ body: [{ id: 1 }], cut: true }, { body: { maintenance: true } }, FOREIGN_PAGE]) {
    const service = await tokenService(t, { 'GET /api/friends/': () => response })
    await assert.rejects((await signedIn(service)).friends(), UNREACHABLE)
  }
})

test('a write whose response is lost is repeated under the same key', async (t) => {
  let lost = 2
  const service = await tokenService(t, {
    'POST /api/messages/': () => (lost-- > 0 ? { lost: true } : { status: 201, body: { id: 7 } }),
  })
  const rest = await signedIn(service)
  assert.deepEqual(await rest.sendMessage({ receiver_id: 2, content: 'hi' }), { id: 7 })
  assert.deepEqual(await rest.sendMessage({ receiver_id: 2, content: 'hi' }), { id: 7 })
  const keys = service.requests.filter(({ path }) => path === '/api/messages/').map(({ key }) => key)
  assert(keys[0])
  assert.deepEqual(keys.slice(0, 3), [keys[0], keys[0], keys[0]])
  assert(keys[3] && keys[3] !== keys[0], 'another message has another key')
})

test('a key can be given, to repeat a write after a reload', async (t) => {
  const service = await tokenService(t, { 'POST /api/messages/': () => ({ status: 201, body: { id: 7 } }) })
  const rest = await signedIn(service)
  await rest.sendMessage({ receiver_id: 2, content: 'hi' }, { key: 'mine' })
  assert.equal(service.requests.at(-1)?.key, 'mine')
})

test('every write has a key, and no read has one', async (t) => {
  const service = await serve(t, {})
  const rest = createRest({ url: service.url })
  const calls = [rest.requestFriend, rest.acceptFriend, rest.removeFriend, rest.readConversation, rest.readMessage, rest.friends]
  for (const call of calls) await call(7).catch(() => {})
  assert.deepEqual(service.requests.map(({ key }) => !!key), [true, true, true, true, true, false])
})

for (const status of [502, 503, 504]) {
  test(`a request to which ${status} is the response is made again`, async (t) => {
    let failures = 3
    const service = await tokenService(t, {
      'GET /api/friends/': () => (failures-- > 0 ? { status, body: { detail: 'later' } } : { body: [] }),
    })
    assert.deepEqual(await (await signedIn(service)).friends(), [])
  })
}

for (const [name, response, requests] of /** @type {const} */ ([
  ['is to be made much later', { status: 503, headers: { 'Retry-After': '60' } }, 1],
  ['was refused', { status: 429, headers: { 'Retry-After': '1' } }, 1],
  ['has failed four times', { status: 503 }, 4],
])) {
  test(`a request that ${name} is not made again`, async (t) => {
    const service = await tokenService(t, { 'GET /api/friends/': () => response })
    const rest = await signedIn(service)
    await assert.rejects(rest.friends(), { status: response.status })
    assert.equal(service.requests.filter(({ path }) => path === '/api/friends/').length, requests)
  })
}

test('what the service cannot recognise as a repeat is not repeated', async (t) => {
  const service = await tokenService(t, {
    'POST /api/auth/signup/': () => ({ lost: true }),
    'POST /api/auth/password/': () => ({ lost: true }),
  })
  const rest = await signedIn(service)
  await assert.rejects(rest.signUp({ username: 'ada', email: 'a@example.org', password: 'lovelace' }), UNREACHABLE)
  await assert.rejects(rest.changePassword({ old_password: 'a', new_password: 'b' }), UNREACHABLE)
  assert.deepEqual(service.requests.map(({ path }) => path).slice(1), ['/api/auth/signup/', '/api/auth/password/'])
})

test('a line of slow responses gets the time that it needs, and keeps it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000_000_000 })
  let requests = 0
  const rest = createRest({
    url: 'https://api.example.org',
    timings: { backoffMinMs: 0, backoffMaxMs: 0 },
    // Each response takes 15 s; a request may take 10 s at first.
    fetch: (_, init) =>
      new Promise((resolve, reject) => {
        requests++
        setTimeout(() => resolve(Response.json([])), 15_000)
        init?.signal?.addEventListener('abort', () => reject(new Error('aborted')))
      }),
  })
  const elapse = async (/** @type {number} */ seconds) => {
    for (let second = 0; second < seconds; second++) {
      t.mock.timers.tick(1000)
      await settled()
    }
  }
  const first = rest.friends()
  await elapse(30)
  assert.deepEqual(await first, [])
  assert.equal(requests, 2)
  const second = rest.friends()
  await elapse(16)
  assert.deepEqual(await second, [])
  assert.equal(requests, 3, 'the next one has the time at once')
})

test('requests that hang together double the time limit once', async () => {
  let delayMs = 60
  const rest = createRest({
    url: 'https://api.example.org',
    timings: { ...QUICK, requestMs: 40, attempts: 1 },
    fetch: () => new Promise((resolve) => setTimeout(() => resolve(Response.json([])), delayMs)),
  })
  await Promise.allSettled(Array.from({ length: 20 }, () => rest.friends()))
  delayMs = 10_000
  const startedAt = Date.now()
  await assert.rejects(rest.friends(), UNREACHABLE)
  assert(Date.now() - startedAt < 1000)
})

test('a listener that throws does not make a sign-in reject', async (t) => {
  const service = await tokenService(t)
  const rest = createRest({ url: service.url })
  let isCalled = false
  /** @type {unknown[]} */
  const reported = []
  t.mock.method(globalThis, 'queueMicrotask', (/** @type {() => void} */ report) => {
    try {
      report()
    } catch (error) {
      reported.push(error)
    }
  })
  rest.subscribe(() => {
    throw new Error('of the page')
  })
  rest.subscribe(() => (isCalled = true))
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  assert(isCalled)
  assert.deepEqual(reported.map(String), ['Error: of the page'])
})

test('a ticket request to which another server responds can be made again', async (t) => {
  const service = await tokenService(t, { 'POST /api/auth/ws-ticket/': () => ({ body: { maintenance: true } }) })
  await assert.rejects((await signedIn(service)).socketTicket(), UNREACHABLE)
})

for (const id of /** @type {any[]} */ (['../../auth/logout/all/?', 1.5, -1, NaN, '7', undefined])) {
  test(`an id of ${id} is an error, and no request`, async (t) => {
    const service = await serve(t, {})
    const rest = createRest({ url: service.url })
    for (const call of [rest.requestFriend, rest.acceptFriend, rest.declineFriend, rest.cancelFriend, rest.removeFriend, rest.conversation, rest.readConversation, rest.readMessage]) {
      assert.throws(() => call(id), TypeError)
    }
    assert.equal(service.requests.length, 0)
  })
}
