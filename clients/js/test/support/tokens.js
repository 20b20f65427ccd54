/** A service that hands tokens out, and people who have signed in to it. */

import { createRest } from '../../src/rest.js'
import { serve } from './http.js'
import { tokenOf } from './service.js'

export const REFUSED = { status: 401, body: { detail: 'Given token not valid for any token type', code: 'token_not_valid' } }
const nowSeconds = () => Math.floor(Date.now() / 1000)

/** The token of a person that is good until a number of seconds from now. @param {number} person @param {number} seconds */
export const lasting = (person, seconds, n = 0) => tokenOf(person, { iat: nowSeconds(), exp: nowSeconds() + seconds, n })

/**
 * A service that takes one access token, and hands out the next one.
 *
 * @param {import('node:test').TestContext} t
 * @param {Record<string, import('./http.js').Route>} [more]
 */
export async function tokenService(t, more = {}) {
  const good = { access: lasting(1, 3600), refresh: 'refresh-1' }
  let renewals = 0
  const service = await serve(t, {
    'POST /api/auth/login/': () => ({ body: good }),
    'POST /api/auth/token/refresh/': async ({ body }) => {
      if (!body.refresh.startsWith('refresh')) return { status: 401, body: { detail: 'Token is invalid', code: 'token_not_valid' } }
      good.access = lasting(1, 3600, ++renewals)
      good.refresh = `refresh-${renewals + 1}`
      return { body: good }
    },
    'GET /api/auth/me/': ({ token }) => (token === good.access ? { body: { id: 1, username: 'ada' } } : REFUSED),
    ...more,
  })
  return { ...service, good, refreshes: () => service.requests.filter(({ path }) => path.endsWith('/refresh/')) }
}

/** A rest of somebody who has signed in. @param {{ url: string }} service @param {import('../../src/types.js').KeyValueStorage} [storage] */
export async function signedIn({ url }, storage) {
  const rest = createRest({ url, storage })
  await rest.signIn({ email: 'ada@example.org', password: 'lovelace' })
  return rest
}
