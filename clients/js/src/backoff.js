/**
 * The wait before the next attempt to connect.
 *
 * Full jitter: a random part of a window that doubles. Clients that lost their sockets in the same
 * second then return spread over the whole window, which a fixed delay with some noise around it
 * would not achieve.
 */

/** @import { Timings } from './types.js' */

/**
 * Returns the wait before an attempt, `attempt` of them having failed before it.
 *
 * @param {number} attempt
 * @param {Pick<Timings, 'backoffMinMs' | 'backoffMaxMs'>} timings
 */
export function backoffMs(attempt, { backoffMinMs, backoffMaxMs }) {
  return jitterMs(Math.min(backoffMaxMs, backoffMinMs * 2 ** attempt))
}

/** Returns a random part of a window. @param {number} windowMs */
export function jitterMs(windowMs) {
  return Math.random() * windowMs
}
