/**
 * The REST client: one function for each route, and a session that renews its
 * own tokens.
 *
 * A request that is refused for its token is repeated once with a fresh one; if
 * there is none to be had, the person is signed out. Everything else that is
 * not 2xx rejects with a {@link RestError}.
 */

import { createSession } from './session.js'

/** @import { KeyValueStorage, Person } from './types.js' */
/** @import { Page, ProfileChanges, SignUp } from './rest-types.js' */

/** An answer other than 2xx. */
export class RestError extends Error {
  /**
   * @param {number} status
   * @param {any} body parsed, or null when it was no JSON
   * @param {number | null} retryAfterSeconds
   */
  constructor(status, body, retryAfterSeconds) {
    super(detailOf(body) ?? `The service answered ${status}.`)
    this.name = 'RestError'
    this.status = status
    /** By field where fields are wrong, else `detail`. */
    this.body = body
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/**
 * @typedef {object} RestOptions
 * @property {string} [url] where the service is; the page's own origin if absent
 * @property {KeyValueStorage | null} [storage] keeps the tokens, such as `localStorage`; without one they end with the page
 * @property {string} [storageKey] under this name, `numeneon:session` if absent
 * @property {typeof fetch} [fetch]
 */

/** @typedef {ReturnType<typeof createRest>} Rest */

/** @param {RestOptions} [options] */
export function createRest({ url = '', storage, storageKey = 'numeneon:session', fetch = globalThis.fetch } = {}) {
  const base = url.replace(/\/+$/, '')
  const session = createSession({
    key: storageKey,
    storage,
    async renew(refresh) {
      try {
        return await send('POST', 'auth/token/refresh/', { refresh })
      } catch (error) {
        if (error instanceof RestError && (error.status === 401 || error.status === 400)) return null
        throw error
      }
    },
  })

  /**
   * @param {string} method
   * @param {string} path below `/api/`
   * @param {object} [body]
   * @param {string | null} [token]
   * @returns {Promise<any>}
   */
  async function send(method, path, body, token) {
    const response = await fetch.call(globalThis, `${base}/api/${path}`, {
      method,
      headers: {
        ...(body && { 'Content-Type': 'application/json' }),
        ...(token && { Authorization: `Bearer ${token}` }),
      },
      body: body && JSON.stringify(body),
    })
    const answer = await response.json().catch(() => null)
    if (response.ok) return answer
    throw new RestError(response.status, answer, Number(response.headers.get('Retry-After')) || null)
  }

  /**
   * Sends a request as the person who is signed in now; never as somebody who signs in meanwhile.
   *
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {(make: () => Promise<any>) => Promise<any>} [by] what makes the request
   * @returns {Promise<any>}
   */
  async function request(method, path, body, by = (make) => make()) {
    const { tokens } = session
    const token = await session.access()
    if (tokens !== session.tokens) throw signedOut()
    try {
      return await by(() => send(method, path, body, token))
    } catch (error) {
      if (!token || !(error instanceof RestError) || error.status !== 401) throw error
      const fresh = await session.access(token)
      if (!fresh || tokens !== session.tokens) throw error
      return by(() => send(method, path, body, fresh))
    }
  }

  const get = (/** @type {string} */ path, /** @type {object} */ query = {}) => request('GET', path + queryOf(query))
  /** @param {{ refused?: string }} [ask] @returns {Promise<string | null>} */
  const accessToken = ({ refused } = {}) => session.access(refused && session.tokens?.access)
  /** @returns {Promise<{ ticket: string, expires_in: number }>} */
  const wsTicket = () => post('auth/ws-ticket/')
  const post = (/** @type {string} */ path, /** @type {object | undefined} */ body = undefined) => request('POST', path, body)

  return {
    /** The address as it was given. */
    url,

    /** @returns {number | null} the id of whoever is signed in, also in another tab; null when nobody is */
    get userId() {
      return session.userId
    },

    /** Calls the listener when somebody signs in or out; returns the function that ends this. */
    subscribe: session.subscribe,

    /** The `getToken` of a client that shares this session. */
    accessToken,

    /** The `getTicket` of a client that shares this session. @param {{ refused?: string }} [ask] @returns {Promise<string | null>} */
    socketTicket: async (ask) => (await accessToken(ask)) && (await wsTicket()).ticket,

    /** Any other route, with this session. @type {(method: string, path: string, body?: object) => Promise<any>} */
    request: (method, path, body) => request(method, path, body),

    /** @param {SignUp} account @returns {Promise<{ message: string, user: Me }>} without signing in */
    signUp: (account) => send('POST', 'auth/signup/', account),

    /** @param {{ email: string, password: string }} credentials */
    async signIn(credentials) {
      session.signIn(await send('POST', 'auth/login/', credentials))
    },

    /** Forgets the tokens, and tells the service nothing: see `logout`. */
    signOut: session.signOut,

    /** Forgets the tokens, also when it rejects, and has the refresh token refused from then on. */
    async logout() {
      const { tokens } = session
      session.signOut()
      if (!tokens) return
      try {
        await send('POST', 'auth/logout/', { refresh: tokens.refresh })
      } catch (error) {
        // One that is no good any more has nothing to be ended.
        if (!(error instanceof RestError && error.status === 401)) throw error
      }
    },

    /** Ends every session of whoever is signed in, on all devices, and then this one. */
    async logoutAll() {
      await post('auth/logout/all/')
      session.signOut()
    },

    /**
     * Ends every other session, on all devices; this one goes on with new tokens.
     *
     * @param {{ old_password: string, new_password: string }} passwords @returns {Promise<void>}
     */
    async changePassword(passwords) {
      await request('POST', 'auth/password/', passwords, session.replace)
    },

    /** Opens one socket, as `?ticket=`. */
    wsTicket,

    /** @returns {Promise<Me>} */
    me: () => get('auth/me/'),
    /** @param {ProfileChanges} changes @returns {Promise<Me>} */
    changeProfile: (changes) => request('PATCH', 'auth/profile/', changes),
    /** @param {string} text @returns {Promise<Found[]>} at most 20 */
    search: (text) => get('auth/search/', { q: text }),
    /** @param {string} username @returns {Promise<User>} */
    user: (username) => get(`auth/users/${encodeURIComponent(username)}/`),

    /** @returns {Promise<Friend[]>} */
    friends: () => get('friends/'),
    /** @returns {Promise<FriendRequest[]>} to the person signed in */
    friendRequests: () => get('friends/requests/'),
    /** @returns {Promise<Friend[]>} */
    suggestions: () => get('friends/suggestions/'),
    /** @param {number} userId @returns {Promise<{ message: string }>} */
    requestFriend: (userId) => post(`friends/request/${userId}/`),
    /** @param {number} requestId @returns {Promise<{ message: string, friend: Person }>} */
    acceptFriend: (requestId) => post(`friends/accept/${requestId}/`),
    /** @param {number} requestId @returns {Promise<{ message: string }>} */
    declineFriend: (requestId) => post(`friends/decline/${requestId}/`),
    /** Takes back one's own request. @param {number} userId @returns {Promise<{ message: string }>} */
    cancelFriend: (userId) => request('DELETE', `friends/cancel/${userId}/`),
    /** @param {number} userId @returns {Promise<{ message: string }>} */
    removeFriend: (userId) => request('DELETE', `friends/remove/${userId}/`),

    /** @param {{ receiver_id: number, content: string }} message @returns {Promise<Message>} */
    sendMessage: (message) => post('messages/', message),
    /** All of one's messages, oldest first; with a limit the newest page. @param {Page} [page] @returns {Promise<Message[]>} */
    messages: (page) => get('messages/', page),
    /** @returns {Promise<Conversation[]>} */
    conversations: () => get('messages/conversations/'),
    /** Oldest first; with a limit the newest page. @param {number} userId @param {Page} [page] @returns {Promise<Message[]>} */
    conversation: (userId, page) => get(`messages/conversation/${userId}/`, page),
    /** Marks what they wrote as read. @param {number} userId @returns {Promise<{ marked_read: number }>} */
    readConversation: (userId) => post(`messages/conversation/${userId}/read/`),
    /** @param {number} messageId @returns {Promise<Message>} */
    readMessage: (messageId) => request('PATCH', `messages/${messageId}/read/`),

    /** @param {Page} [page] @returns {Promise<Inbox>} */
    notifications: (page) => get('notifications/', page),
    /** @param {number} seq up to and with this one @returns {Promise<{ unread_count: number }>} */
    readNotifications: (seq) => post('notifications/read/', { up_to: seq }),
  }
}

/** @param {object} query */
function queryOf(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  return given.length ? `?${new URLSearchParams(given)}` : ''
}

/** The one sentence to show: `detail`, or else the first text of the first field. @param {any} body @returns {string | undefined} */
function detailOf(body) {
  if (typeof body === 'string') return body
  for (const value of [body?.detail, ...Object.values(body ?? {})]) {
    const text = Array.isArray(value) ? value[0] : value
    if (typeof text === 'string') return text
  }
}

function signedOut() {
  return new RestError(401, { detail: 'Signed out.' }, null)
}

/** @typedef {import('./rest-types.js').Me} Me */
/** @typedef {import('./rest-types.js').Profile} Profile */
/** @typedef {import('./rest-types.js').User} User */
/** @typedef {import('./rest-types.js').Found} Found */
/** @typedef {import('./rest-types.js').Friend} Friend */
/** @typedef {import('./rest-types.js').FriendRequest} FriendRequest */
/** @typedef {import('./rest-types.js').Message} Message */
/** @typedef {import('./rest-types.js').Conversation} Conversation */
/** @typedef {import('./rest-types.js').Inbox} Inbox */
/** @typedef {import('./rest-types.js').Notification} Notification */
/** @typedef {import('./rest-types.js').Tokens} Tokens */
