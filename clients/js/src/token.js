/**
 * The claims of an access token that a page may read: whose it is, and until when it is valid.
 *
 * Nothing is verified here; the service does that.
 */

/**
 * Returns the claims of a JSON Web Token, none if it is not one.
 *
 * @param {string} token
 * @returns {{ user_id?: string | number, exp?: number, iat?: number }}
 */
export function claims(token) {
  try {
    return JSON.parse(atob((token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/')))
  } catch {
    return {}
  }
}
