/**
 * Requests to the service, in the name of whoever is signed in.
 *
 * Each has a time limit. One that did not reach the service, or that it could not do now, is
 * repeated a few times; a write carries an idempotency key, by which the service does it once
 * however often it arrives. A request that is refused for its token is repeated with a fresh one; if
 * there is none, the person is signed out. Every other response that is not 2xx rejects with a
 * {@link RestError}.
 */

import { backoffMs } from './backoff.js'
import { isTransient, RestError, retryAfterMs, unreachable } from './rest-error.js'
import { TimeLimit } from './time-limit.js'

/** @import { RestTimings } from './types.js' */

/** @type {RestTimings} */
const TIMINGS = { requestMs: 10_000, attempts: 4, backoffMinMs: 500, backoffMaxMs: 4000 }

/** A request that may be repeated only after longer than this rejects instead: whoever made it decides. */
const MAX_WAIT_MS = 5000

/**
 * What a repeat could not do safely, as the service keeps no response with tokens and responds to the
 * second of two such requests otherwise than to the first; and the renewal, which those that wait for
 * it repeat.
 */
const NOT_REPEATED = ['auth/signup/', 'auth/password/', 'auth/token/refresh/']

/** @typedef {(value: any) => boolean} Shape what the documented response has, and that of no other server */

/** @type {Shape} */
const isObject = (value) => typeof value === 'object' && value !== null

/**
 * Whose requests these are: a session, or an app's own sign-in.
 *
 * @typedef {object} Identity
 * @property {object | null} tokens one object for each sign-in
 * @property {(refused?: string) => Promise<string | null>} access an access token, other than the refused one
 */

/**
 * @typedef {object} RequestOptions
 * @property {string} [key] the idempotency key of a write, a new one if absent
 * @property {Shape} [shape] any object or array if absent
 * @property {boolean} [withSeq] whether to resolve with the body and the number of the inbox at which it was read
 * @property {(send: () => Promise<any>) => Promise<any>} [by] sends each attempt
 */

/**
 * @typedef {object} RequestsOptions
 * @property {string | undefined} url of the service
 * @property {typeof fetch} [fetch]
 * @property {Partial<RestTimings>} [timings]
 */

export class Requests {
  /** @type {Identity} */
  identity = { tokens: null, access: async () => null }
  #options
  #timings
  #limit
  #signal

  /** @param {RequestsOptions} options @param {AbortSignal} [signal] aborts all of them */
  constructor(options, signal) {
    this.#options = options
    this.#timings = { ...TIMINGS, ...options.timings }
    this.#limit = new TimeLimit(this.#timings.requestMs)
    this.#signal = signal
  }

  /** Returns the same requests, which this signal aborts. @param {AbortSignal} signal */
  with(signal) {
    const requests = new Requests(this.#options, signal)
    requests.identity = this.identity
    requests.#limit = this.#limit
    return requests
  }

  /** @param {string} path @param {object} [query] @param {Shape} [shape] @returns {Promise<any>} */
  get(path, query = {}, shape) {
    return this.request('GET', path + queryOf(query), undefined, { shape })
  }

  /** @param {string} path @param {object} [query] @returns {Promise<any>} */
  list(path, query) {
    return this.get(path, query, Array.isArray)
  }

  /** @param {string} path @param {object} [body] @param {Shape} [shape] @returns {Promise<any>} */
  post(path, body, shape) {
    return this.request('POST', path, body, { shape })
  }

  /**
   * Sends a request as the person who is signed in now; never as somebody who signs in meanwhile.
   *
   * @param {string} method
   * @param {string} path below `/api/`
   * @param {object} [body]
   * @param {RequestOptions} [options]
   * @returns {Promise<any>}
   */
  request(method, path, body, { by = (send) => send(), ...options } = {}) {
    const { identity } = this
    if (method !== 'GET') options.key ??= newKey()
    const { tokens } = identity
    /** @param {string} [refused] @returns {Promise<any>} */
    const attempt = async (refused) => {
      const token = await identity.access(refused)
      if (tokens !== identity.tokens) throw new RestError(401, { detail: 'Signed out.' }, null)
      try {
        return await by(() => this.#sendOnce(method, path, body, { ...options, token }))
      } catch (error) {
        if (!token || refused || !(error instanceof RestError) || error.status !== 401) throw error
        return attempt(token).catch((/** @type {unknown} */ next) => {
          // Without another token the first refusal stands.
          throw tokens === identity.tokens ? next : error
        })
      }
    }
    return this.#abortable(() => this.#repeating(path, attempt))
  }

  /**
   * Sends a request without a token.
   *
   * @param {string} path
   * @param {object} body
   * @param {Shape} [shape]
   * @returns {Promise<any>}
   */
  send(path, body, shape) {
    return this.#abortable(() => this.#repeating(path, () => this.#sendOnce('POST', path, body, { shape })))
  }

  /** Repeats what failed for the moment. @param {string} path @param {() => Promise<any>} attempt */
  async #repeating(path, attempt) {
    const attempts = NOT_REPEATED.includes(path) ? 1 : this.#timings.attempts
    for (let failed = 0; ; failed++) {
      try {
        return await attempt()
      } catch (error) {
        const leastMs = retryAfterMs(error)
        if (!isTransient(error) || failed + 1 >= attempts || leastMs > MAX_WAIT_MS) throw error
        const waitMs = Math.max(leastMs, backoffMs(failed, this.#timings))
        await new Promise((resolve) => setTimeout(resolve, waitMs))
      }
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object | undefined} body
   * @param {RequestOptions & { token?: string | null }} options
   */
  async #sendOnce(method, path, body, { token, key, shape = isObject, withSeq }) {
    const { url = '', fetch = globalThis.fetch } = this.#options
    this.#signal?.throwIfAborted()
    const attempt = new AbortController()
    const { signal } = attempt
    this.#signal?.addEventListener('abort', () => attempt.abort(), { signal })
    const startedAt = Date.now()
    const limitMs = this.#limit.ms
    const timer = setTimeout(() => {
      this.#limit.wasTooShort(limitMs)
      attempt.abort()
    }, limitMs)
    const exchange = async () => {
      const response = await fetch.call(globalThis, `${url.replace(/\/+$/, '')}/api/${path}`, {
        method,
        headers: {
          ...(body && { 'Content-Type': 'application/json' }),
          ...(token && { Authorization: `Bearer ${token}` }),
          ...(key && { 'Idempotency-Key': key }),
        },
        body: body && JSON.stringify(body),
        signal,
      })
      const parsed = await response.json().catch((error) => (response.ok ? Promise.reject(error) : null))
      if (response.ok && !shape(parsed)) throw new Error('the response is not the service’s')
      return { response, parsed }
    }
    // A fetch that does not listen to its signal ends too.
    const ended = new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    try {
      const { response, parsed } = await Promise.race([exchange(), ended])
      this.#limit.wasEnough(Date.now() - startedAt)
      const { headers } = response
      if (!response.ok) throw new RestError(response.status, parsed, Number(headers.get('Retry-After')) || null)
      return withSeq ? { body: parsed, seq: Number(headers.get('X-Inbox-Seq') ?? NaN) } : parsed
    } catch (error) {
      throw error instanceof RestError ? error : unreachable(error)
    } finally {
      clearTimeout(timer)
      attempt.abort()
    }
  }

  /** Rejects as soon as the signal aborts, whatever the call waits for. @param {() => Promise<any>} call */
  async #abortable(call) {
    const signal = this.#signal
    signal?.throwIfAborted()
    const done = new AbortController()
    const aborted = new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { signal: done.signal })
    })
    return Promise.race([call(), aborted]).finally(() => done.abort())
  }
}

/** Returns a part of a path. @param {number} id */
export function idOf(id) {
  // As text it would name another route: `../../auth/logout/all/?`
  if (!Number.isSafeInteger(id) || id < 0) throw new TypeError(`An id is a whole number, not ${id}.`)
  return id
}

/** Returns an idempotency key. `randomUUID` would need a page with TLS. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-')
}

/** @param {object} query */
function queryOf(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  return given.length ? `?${new URLSearchParams(given)}` : ''
}
