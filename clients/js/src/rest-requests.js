/**
 * Requests to the service, in the name of whoever is signed in.
 *
 * A request that is refused for its token is repeated once with a fresh one; if there is none, the
 * person is signed out. Every other response that is not 2xx rejects with a {@link RestError}.
 */

import { RestError } from './rest-error.js'
import { Session } from './session.js'

/** @import { KeyValueStorage } from './types.js' */

/**
 * @typedef {object} RequestsOptions
 * @property {string} url of the service
 * @property {KeyValueStorage | null} [storage]
 * @property {string} storageKey
 * @property {typeof fetch} fetch
 */

export class Requests {
  #base
  #fetch

  /** @param {RequestsOptions} options */
  constructor({ url, storage, storageKey, fetch }) {
    this.#base = url.replace(/\/+$/, '')
    this.#fetch = fetch
    this.session = new Session({ key: storageKey, storage, renew: (refresh) => this.#renew(refresh) })
  }

  /** @param {string} path @param {object} [query] @returns {Promise<any>} */
  get(path, query = {}) {
    return this.request('GET', path + queryOf(query))
  }

  /** @param {string} path @param {object} [body] @returns {Promise<any>} */
  post(path, body) {
    return this.request('POST', path, body)
  }

  /**
   * Sends a request as the person who is signed in now; never as somebody who signs in meanwhile.
   *
   * @param {string} method
   * @param {string} path below `/api/`
   * @param {object} [body]
   * @param {(send: () => Promise<any>) => Promise<any>} [by] sends each attempt
   * @returns {Promise<any>}
   */
  async request(method, path, body, by = (send) => send()) {
    const { session } = this
    const { tokens } = session
    const token = await session.access()
    if (tokens !== session.tokens) throw new RestError(401, { detail: 'Signed out.' }, null)
    try {
      return await by(() => this.send(method, path, body, token))
    } catch (error) {
      if (!token || !(error instanceof RestError) || error.status !== 401) throw error
      const fresh = await session.access(token)
      if (!fresh || tokens !== session.tokens) throw error
      return by(() => this.send(method, path, body, fresh))
    }
  }

  /**
   * Sends a request once, without the session.
   *
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {string | null} [token]
   * @returns {Promise<any>}
   */
  async send(method, path, body, token) {
    const response = await this.#fetch.call(globalThis, `${this.#base}/api/${path}`, {
      method,
      headers: {
        ...(body && { 'Content-Type': 'application/json' }),
        ...(token && { Authorization: `Bearer ${token}` }),
      },
      body: body && JSON.stringify(body),
    })
    const parsed = await response.json().catch(() => null)
    if (response.ok) return parsed
    throw new RestError(response.status, parsed, Number(response.headers.get('Retry-After')) || null)
  }

  /** @param {string} refresh */
  async #renew(refresh) {
    try {
      return await this.send('POST', 'auth/token/refresh/', { refresh })
    } catch (error) {
      if (error instanceof RestError && (error.status === 401 || error.status === 400)) return null
      throw error
    }
  }
}

/** @param {object} query */
function queryOf(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  return given.length ? `?${new URLSearchParams(given)}` : ''
}
