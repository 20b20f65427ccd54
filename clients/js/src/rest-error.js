/** What a request to the service rejects with when the response is not 2xx. */

export class RestError extends Error {
  /**
   * @param {number} status
   * @param {any} body parsed, or null when it was not JSON
   * @param {number | null} retryAfterSeconds
   */
  constructor(status, body, retryAfterSeconds) {
    super(detailOf(body) ?? `The service responded with status ${status}.`)
    this.name = 'RestError'
    this.status = status
    /** By field where fields are invalid, else `detail`. */
    this.body = body
    this.retryAfterSeconds = retryAfterSeconds
  }
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
