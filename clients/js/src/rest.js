/**
 * The REST client: one function for each route, and a session that renews its own tokens.
 *
 * How requests are made, repeated and refused is in `rest-requests.js`.
 */

import { authRoutes, renew } from './rest-auth.js'
import { messageRoutes } from './rest-messages.js'
import { peopleRoutes } from './rest-people.js'
import { Requests } from './rest-requests.js'
import { Session } from './session.js'

/** @import { RestTimings, StorageChoice } from './types.js' */

export { RestError } from './rest-error.js'

/**
 * @typedef {object} RestOptions
 * @property {string} [url] of the service; the page's own origin if absent
 * @property {StorageChoice | null} [storage] keeps the tokens; without one they end with the page
 * @property {string} [storageKey] under which the tokens are kept, `numeneon:session` if absent
 * @property {typeof fetch} [fetch]
 * @property {Partial<RestTimings>} [timings]
 */

/**
 * @typedef {ReturnType<typeof authRoutes> & ReturnType<typeof peopleRoutes> & ReturnType<typeof messageRoutes>}
 *   Routes one function for each
 */

/**
 * Everything that `createRest` returns. Named, so that the descriptions reach the generated types.
 *
 * @typedef {ReturnType<typeof sessionOf> & Routes} Rest
 */

/** @param {RestOptions} [options] @returns {Rest} */
export function createRest({ url = '', storage, storageKey = 'numeneon:session', fetch, timings } = {}) {
  const requests = new Requests({ url, fetch, timings })
  const session = new Session({ key: storageKey, storage, renew: (refresh) => renew(requests, refresh) })
  requests.identity = session
  return Object.assign(sessionOf(requests, session, url), routes(requests, session))
}

/** @param {Requests} requests @param {Session} session @returns {Routes} */
function routes(requests, session) {
  return Object.assign(authRoutes(requests, session), peopleRoutes(requests), messageRoutes(requests))
}

/** @param {Requests} requests @param {Session} session @param {string} url */
function sessionOf(requests, session, url) {
  return {
    /** The address as it was given. */
    url,

    /** @returns {number | null} the id of whoever is signed in, also in another tab; null when nobody is */
    get userId() {
      return session.userId
    },

    /** Calls the listener when somebody signs in or out; returns the function that removes it. */
    subscribe: (/** @type {() => void} */ listener) => session.subscribe(listener),

    /**
     * Any other route, with this session.
     *
     * @type {import('./store.js').Request}
     */
    request: (method, path, body, options) => requests.request(method, path, body, options),

    /**
     * Returns the same routes for requests that the signal aborts. Aborted, they reject with its
     * reason; a write may have arrived all the same.
     *
     * @type {(signal: AbortSignal) => Routes}
     */
    with: (signal) => routes(requests.with(signal), session),
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
