/**
 * The REST client: one function for each route, and a session that renews its own tokens.
 *
 * A request that is refused for its token is repeated once with a fresh one; if there is none, the
 * person is signed out. Every other response that is not 2xx rejects with a {@link RestError}.
 */

import { authRoutes } from './rest-auth.js'
import { messageRoutes } from './rest-messages.js'
import { peopleRoutes } from './rest-people.js'
import { Requests } from './rest-requests.js'

/** @import { KeyValueStorage } from './types.js' */

export { RestError } from './rest-error.js'

/**
 * @typedef {object} RestOptions
 * @property {string} [url] of the service; the page's own origin if absent
 * @property {KeyValueStorage | null} [storage] keeps the tokens, such as `localStorage`; without one they end with
 *   the page
 * @property {string} [storageKey] under which the tokens are kept, `numeneon:session` if absent
 * @property {typeof fetch} [fetch]
 */

/**
 * Everything that `createRest` returns. Named, so that the descriptions reach the generated types.
 *
 * @typedef {ReturnType<typeof sessionOf> & ReturnType<typeof authRoutes> & ReturnType<typeof peopleRoutes>
 *   & ReturnType<typeof messageRoutes>} Rest
 */

/** @param {RestOptions} [options] @returns {Rest} */
export function createRest({ url = '', storage, storageKey = 'numeneon:session', fetch = globalThis.fetch } = {}) {
  const requests = new Requests({ url, storage, storageKey, fetch })
  return Object.assign(sessionOf(requests, url), authRoutes(requests), peopleRoutes(requests), messageRoutes(requests))
}

/** @param {Requests} requests @param {string} url */
function sessionOf(requests, url) {
  const { session } = requests
  return {
    /** The address as it was given. */
    url,

    /** @returns {number | null} the id of whoever is signed in, also in another tab; null when nobody is */
    get userId() {
      return session.userId
    },

    /** Calls the listener when somebody signs in or out; returns the function that removes it. */
    subscribe: (/** @type {() => void} */ listener) => session.subscribe(listener),

    /** Any other route, with this session. @type {(method: string, path: string, body?: object) => Promise<any>} */
    request: (method, path, body) => requests.request(method, path, body),
  }
}

/** @typedef {import('./rest-types.js').Me} Me */
/** @typedef {import('./rest-types.js').Profile} Profile */
/** @typedef {import('./rest-types.js').User} User */
/** @typedef {import('./rest-types.js').SearchHit} SearchHit */
/** @typedef {import('./rest-types.js').Friend} Friend */
/** @typedef {import('./rest-types.js').FriendRequest} FriendRequest */
/** @typedef {import('./rest-types.js').Message} Message */
/** @typedef {import('./rest-types.js').Conversation} Conversation */
/** @typedef {import('./rest-types.js').Inbox} Inbox */
/** @typedef {import('./rest-types.js').Notification} Notification */
/** @typedef {import('./rest-types.js').Tokens} Tokens */
