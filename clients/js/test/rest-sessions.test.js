import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRest } from '../src/rest.js'
import { createStorage } from './support/service.js'
import { REFUSED, tokenFor, signedIn, tokenService } from './support/tokens.js'

test('a sign-out forgets the tokens and revokes the refresh token', async (t) => {
  const service = await tokenService(t)
  const storage = createStorage()
  const rest = await signedIn(service, storage)
  const done = rest.signOut()
  assert.equal(rest.userId, null, 'at once')
  await done
  assert.deepEqual(service.requests.at(-1)?.body, { refresh: 'refresh-1' })
  assert.equal(storage.values.size, 0)
  await rest.signOut()
  assert.equal(service.requests.length, 2, 'nobody is signed in, so there is nothing to revoke')
})

for (const [status, rejects] of /** @type {const} */ ([[401, false], [503, true]])) {
  test(`a sign-out to which the service responds with ${status} forgets the tokens all the same`, async (t) => {
    const rest = await signedIn(await tokenService(t, { 'POST /api/auth/logout/': () => ({ status, body: { detail: 'No.' } }) }))
    const done = rest.signOut()
    if (rejects) await assert.rejects(done, { status })
    else await done
    assert.equal(rest.userId, null)
  })
}

test('a sign-out everywhere signs out here too, but only if the service did it', async (t) => {
  let status = 503
  const service = await tokenService(t, { 'POST /api/auth/logout/all/': ({ token }) => ({ status: token === service.valid.access ? status : 400 }) })
  const rest = await signedIn(service)
  await assert.rejects(rest.signOutEverywhere(), { status: 503 })
  assert.equal(rest.userId, 1)
  status = 200
  await rest.signOutEverywhere()
  assert.equal(rest.userId, null)
})

test('a change of password continues with the new tokens', async (t) => {
  const next = { message: 'Password changed.', access: tokenFor(1, 3600, 9), refresh: 'refresh-9' }
  const service = await tokenService(t, {
    'POST /api/auth/password/': () => {
      service.valid.access = next.access
      return { body: next }
    },
  })
  const storage = createStorage()
  const rest = await signedIn(service, storage)
  let changes = 0
  rest.subscribe(() => changes++)
  await rest.changePassword({ old_password: 'lovelace', new_password: 'byron' })
  assert.equal((await rest.me()).username, 'ada')
  assert.deepEqual(JSON.parse(storage.getItem('numeneon:session') ?? ''), { access: next.access, refresh: 'refresh-9' })
  assert.equal(changes, 0, 'it is the same person')
  assert.equal(service.refreshes().length, 0)
})

test('a refused token waits for the change of password that revoked it', async (t) => {
  const next = { access: tokenFor(1, 3600, 9), refresh: 'refresh-9' }
  /** @type {(response: any) => void} */
  let respond = () => {}
  const service = await tokenService(t, { 'POST /api/auth/password/': () => new Promise((resolve) => (respond = resolve)) })
  const rest = await signedIn(service)
  const change = rest.changePassword({ old_password: 'lovelace', new_password: 'byron' })
  while (service.requests.length < 2) await new Promise(setImmediate)
  const token = rest.accessToken({ refused: 'signed out' })
  respond({ body: next })
  await change
  assert.equal(await token, next.access)
  assert.equal(service.refreshes().length, 0)
})

test('after a refused change of password the tokens are unchanged, and are renewed as before', async (t) => {
  const service = await tokenService(t, { 'POST /api/auth/password/': () => ({ status: 400, body: { old_password: ['Wrong.'] } }) })
  const rest = await signedIn(service)
  const before = await rest.accessToken()
  const change = rest.changePassword({ old_password: 'byron', new_password: 'x' })
  await assert.rejects(change, { status: 400, message: 'Wrong.' })
  assert.equal(await rest.accessToken(), before)
  assert.equal(await rest.accessToken({ refused: 'token expired' }), service.valid.access)
  assert.equal(service.refreshes().length, 1)
})

test('a change of password under a stale token is repeated with a fresh one', async (t) => {
  const service = await tokenService(t, {
    'POST /api/auth/password/': ({ token }) => (token === service.valid.access ? { body: { access: tokenFor(1, 3600, 9), refresh: 'refresh-9' } } : REFUSED),
  })
  const rest = await signedIn(service)
  service.valid.access = 'revoked'
  await rest.changePassword({ old_password: 'lovelace', new_password: 'byron' })
  assert.equal(await rest.accessToken(), tokenFor(1, 3600, 9))
})

test('a sign-out during a change of password is not undone', async (t) => {
  /** @type {(response: any) => void} */
  let respond = () => {}
  const service = await tokenService(t, { 'POST /api/auth/password/': () => new Promise((resolve) => (respond = resolve)) })
  const rest = await signedIn(service)
  const change = rest.changePassword({ old_password: 'lovelace', new_password: 'byron' })
  while (service.requests.length < 2) await new Promise(setImmediate)
  const signedOut = rest.signOut()
  respond({ body: { access: tokenFor(1, 3600, 9), refresh: 'refresh-9' } })
  await Promise.all([change, signedOut])
  assert.equal(rest.userId, null)
})

test('after a refused renewal the tokens that another tab has stored are used', async (t) => {
  const service = await tokenService(t)
  const storage = createStorage()
  storage.setItem('numeneon:session', JSON.stringify({ access: tokenFor(1, 3600), refresh: 'revoked' }))
  const rest = createRest({ url: service.url, storage })
  const theirs = { access: tokenFor(1, 3600, 7), refresh: 'refresh-7' }
  storage.setItem('numeneon:session', JSON.stringify(theirs))
  assert.equal(await rest.accessToken({ refused: 'signed out' }), theirs.access)
  assert.equal(rest.userId, 1)
})

test('a ticket is requested with the session, and there is none if nobody is signed in', async (t) => {
  const service = await tokenService(t, {
    'POST /api/auth/ws-ticket/': ({ token }) => ({ status: 201, body: { ticket: `for ${token === service.valid.access}`, expires_in: 30 } }),
  })
  const rest = await signedIn(service)
  assert.deepEqual(await rest.wsTicket(), { ticket: 'for true', expires_in: 30 })
  assert.equal(await rest.socketTicket(), 'for true')
  assert.equal(await rest.socketTicket({ refused: 'ticket used' }), 'for true')
  assert.equal(service.refreshes().length, 1)
  await rest.signOut()
  assert.equal(await rest.socketTicket(), null)
})
