/** A service that issues tokens, and clients that have signed in to it. */

/** @import { RestOptions } from '../../src/rest.js' */

import { createRest } from '../../src/rest.js'
import { serve } from './http.js'
import { tokenOf } from './service.js'

/** The responses to an access token and to a refresh token that are not valid. */
export const REFUSED = { status: 401, body: { detail: 'Given token not valid for any token type', code: 'token_not_valid' } }
const REFUSED_REFRESH = { status: 401, body: { detail: 'Token is invalid', code: 'token_not_valid' } }

const nowSeconds = () => Math.floor(Date.now() / 1000)

/** Returns a person's token that is valid for a number of seconds. @param {number} person @param {number} seconds */
export const tokenFor = (person, seconds, n = 0) => tokenOf(person, { iat: nowSeconds(), exp: nowSeconds() + seconds, n })

/**
 * Starts a service that accepts one pair of tokens at a time, in `valid`, and issues the next one.
 *
 * @param {import('node:test').TestContext} t
 * @param {Record<string, import('./http.js').Route>} [more]
 */
export async function tokenService(t, more = {}) {
  const valid = { access: tokenFor(1, 3600), refresh: 'refresh-1' }
  let renewals = 0
  const service = await serve(t, {
    'POST /api/auth/login/': () => ({ body: valid }),
    'POST /api/auth/token/refresh/': async ({ body }) => {
      if (!body.refresh.startsWith('refresh')) return REFUSED_REFRESH
      valid.access = tokenFor(1, 3600, ++renewals)
      valid.refresh = `refresh-${renewals + 1}`
      return { body: valid }
    },
    'POST /api/auth/logout/': () => ({ body: { message: 'Logged out.' } }),
    'GET /api/auth/me/': ({ token }) => (token === valid.access ? { body: { id: 1, username: 'ada' } } : REFUSED),
    ...more,
  })
  return { ...service, valid, refreshes: () => service.requests.filter(({ path }) => path.endsWith('/refresh/')) }
}

/** Short, so that tests do not wait. */
export const QUICK = { backoffMinMs: 1, backoffMaxMs: 1 }

/**
 * Returns the REST client of somebody who has signed in.
 *
 * @param {{ url: string }} service
 * @param {RestOptions['storage']} [storage]
 * @param {RestOptions} [options]
 */
export async function signedIn({ url }, storage, options) {
  const rest = createRest({ url, storage, timings: QUICK, ...options })
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  return rest
}
