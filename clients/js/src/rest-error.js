/** What a request rejects with: the service's response that is not 2xx, or that it cannot be reached. */

export class RestError extends Error {
  /**
   * @param {number} status 0 if no response of the service arrived
   * @param {any} body parsed, or null when it was not JSON
   * @param {number | null} retryAfterSeconds
   * @param {ErrorOptions} [options]
   */
  constructor(status, body, retryAfterSeconds, options) {
    super(detailOf(body) ?? (status ? `The service responded with status ${status}.` : UNREACHABLE), options)
    this.name = 'RestError'
    this.status = status
    /** By field where fields are invalid, else `detail`. */
    this.body = body
    this.retryAfterSeconds = retryAfterSeconds
  }
}

const UNREACHABLE = 'The service cannot be reached now.'

/** Returns the error for a request without a response of the service. @param {unknown} [cause] */
export function unreachable(cause) {
  return new RestError(0, null, null, { cause })
}

/** Whether the same request may succeed a little later. @param {unknown} error */
export function isTransient(error) {
  return error instanceof RestError && [0, 502, 503, 504].includes(error.status)
}

/** Returns how long the service requires to wait, in milliseconds. @param {any} error */
export function retryAfterMs(error) {
  return (error.retryAfterSeconds ?? 0) * 1000
}

/**
 * Returns the one sentence to show: `detail`, or else the first text of the first field.
 *
 * @param {any} body
 * @returns {string | undefined}
 */
function detailOf(body) {
  if (typeof body === 'string') return body
  for (const value of [body?.detail, ...Object.values(body ?? {})]) {
    const text = Array.isArray(value) ? value[0] : value
    if (typeof text === 'string') return text
  }
}
