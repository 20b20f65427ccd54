/** Requests of an app that has its own sign-in, and so no session of this package. */

import { RestError } from './rest-error.js'
import { Requests } from './rest-requests.js'

/** @import { Request } from './store.js' */
/** @import { GetToken } from './types.js' */

/**
 * Returns what sends requests with the app's own tokens, and with a fresh one after a 401.
 *
 * @param {string | undefined} url
 * @param {GetToken} getToken
 * @returns {Request}
 */
export function requestWith(url, getToken) {
  const requests = new Requests({ url })
  requests.identity = {
    tokens: requests,
    async access(refused) {
      const token = await getToken(refused ? { refused: 'token expired' } : {})
      if (!token) throw new RestError(401, { detail: 'Nobody is signed in.' }, null)
      return token
    },
  }
  return requests.request.bind(requests)
}
