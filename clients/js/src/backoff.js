/**
 * How long to wait before the next attempt.
 *
 * Full jitter: a random part of a window that doubles. Clients that lost their
 * sockets in the same second then come back spread over the whole window, which
 * a fixed delay with some noise around it would not do.
 */

/** @import { Timings } from './types.js' */

/**
 * Returns the wait before attempt number `attempt`, counted from 0.
 *
 * @param {number} attempt
 * @param {Pick<Timings, 'backoffMinMs' | 'backoffMaxMs'>} timings
 */
export function backoffMs(attempt, { backoffMinMs, backoffMaxMs }) {
  return jitterMs(Math.min(backoffMaxMs, backoffMinMs * 2 ** attempt))
}

/** @param {number} windowMs */
export function jitterMs(windowMs) {
  return Math.random() * windowMs
}
