/** Routes that begin and end sessions, and what a socket needs of a session. */

import { RestError } from './rest-error.js'

/** @import { Requests } from './rest-requests.js' */
/** @import { Me, SignUp } from './rest-types.js' */

/** @param {Requests} requests */
export function authRoutes(requests) {
  const { session } = requests

  /** @param {{ refused?: string }} [request] @returns {Promise<string | null>} */
  const accessToken = ({ refused } = {}) => session.access(refused && session.tokens?.access)
  /** @returns {Promise<{ ticket: string, expires_in: number }>} */
  const wsTicket = () => requests.post('auth/ws-ticket/')

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
    signUp: (account) => requests.send('POST', 'auth/signup/', account),

    /** @param {{ email: string, password: string }} credentials */
    async signIn(credentials) {
      session.start(await requests.send('POST', 'auth/login/', credentials))
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
        await requests.send('POST', 'auth/logout/', { refresh: tokens.refresh })
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
      await requests.request('POST', 'auth/password/', passwords, (send) => session.replace(send))
    },

    /** Returns a ticket that opens one socket, as `?ticket=`. */
    wsTicket,
  }
}
