/**
 * What a page may read in an access token: whose it is and until when.
 *
 * Nothing is verified here; that is the service's part.
 */

/**
 * Returns the claims of a JSON Web Token, or nothing when it is no such token.
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
