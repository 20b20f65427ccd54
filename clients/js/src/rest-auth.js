/** Routes that begin and end sessions, and what a socket needs of a session. */

import { RestError, unreachable } from './rest-error.js'
import { isTokens } from './session.js'

/** @import { Requests } from './rest-requests.js' */
/** @import { Me, SignUp, Tokens } from './rest-types.js' */
/** @import { Session } from './session.js' */

/**
 * Renews tokens; returns null if the service refuses to, and rejects if that cannot be determined now.
 *
 * @param {Requests} requests
 * @param {string} refresh
 * @returns {Promise<Tokens | null>}
 */
export async function renew(requests, refresh) {
  try {
    return await requests.send('auth/token/refresh/', { refresh }, isTokens)
  } catch (error) {
    if (isRefusal(error)) return null
    // A gateway's or a captive portal's own refusal says nothing about the token.
    throw error instanceof RestError && [400, 401].includes(error.status) ? unreachable(error) : error
  }
}

/** Whether the service itself, and nothing before it, refuses the refresh token. @param {any} error */
function isRefusal({ status, body }) {
  if (status === 400) return Array.isArray(body?.refresh)
  return status === 401 && (body?.code === 'token_not_valid' || body?.detail === NO_ACCOUNT)
}

/** What the service responds for an account that was deactivated or deleted. */
const NO_ACCOUNT = 'No active account found for the given token.'

/** @param {Requests} requests @param {Session} session */
export function authRoutes(requests, session) {
  /** @param {{ refused?: string }} [request] @returns {Promise<string | null>} */
  const accessToken = ({ refused } = {}) => session.access(refused && session.tokens?.access)
  /** @returns {Promise<{ ticket: string, expires_in: number }>} */
  const wsTicket = () => requests.post('auth/ws-ticket/', undefined, ({ ticket }) => typeof ticket === 'string')

  return {
    /** The `getToken` of a client that shares this session. */
    accessToken,

    /**
     * The `getTicket` of a client that shares this session.
     *
     * @param {{ refused?: string }} [request]
     * @returns {Promise<string | null>}
     */
    socketTicket: async (request) => (await accessToken(request)) && (await wsTicket()).ticket,

    /** @param {SignUp} account @returns {Promise<{ message: string, user: Me }>} without signing in */
    signUp: (account) => requests.send('auth/signup/', account),

    /** @param {{ email: string, password: string }} credentials */
    async signIn(credentials) {
      session.start(await requests.send('auth/login/', credentials, isTokens))
    },

    /**
     * Ends this session: forgets its tokens at once, also in the storage and for other tabs, and
     * revokes the refresh token at the service. It rejects if the service does not confirm that; the
     * tokens are forgotten all the same.
     */
    async signOut() {
      const { tokens } = session
      session.end()
      if (!tokens) return
      try {
        await requests.send('auth/logout/', { refresh: tokens.refresh })
      } catch (error) {
        // The token was not valid any more, so there was nothing to revoke.
        if (!(error instanceof RestError && error.status === 401)) throw error
      }
    },

    /** Revokes every session of whoever is signed in, on all devices, and then ends this one. */
    async signOutEverywhere() {
      await requests.post('auth/logout/all/')
      session.end()
    },

    /**
     * Revokes every other session, on all devices; this one continues with new tokens.
     *
     * @param {{ old_password: string, new_password: string }} passwords @returns {Promise<void>}
     */
    async changePassword(passwords) {
      const by = (/** @type {() => Promise<any>} */ send) => session.replace(send)
      await requests.request('POST', 'auth/password/', passwords, { by, shape: isTokens })
    },

    /** Returns a ticket that opens one socket, as `?ticket=`. */
    wsTicket,
  }
}
