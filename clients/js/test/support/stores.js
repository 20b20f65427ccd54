/** The stores of person 1, over a connection and requests that the test controls. */

import { createStores } from '../../src/stores.js'
import { settled } from './service.js'
import { start } from './start.js'

/** @typedef {{ respond: (value: any, seq?: number) => Promise<void>, fail: (error: Error) => Promise<void> }} Outcome */
/** @typedef {{ method: string, path: string, body: any, key: string | undefined } & Outcome} Request */

/**
 * @param {import('node:test').TestContext} t
 * @param {Partial<import('../../src/stores.js').StoresOptions>} [options]
 */
export function openStores(t, options = {}) {
  const started = start(t)
  /** @type {Request[]} */
  const requests = []
  const stores = createStores({
    client: started.client,
    user: 1,
    request: (method, path, body, { key, withSeq } = {}) =>
      new Promise((resolve, reject) => {
        requests.push({
          method,
          path,
          body,
          key,
          respond: (value, seq) => (resolve(withSeq ? { body: value, seq } : value), settled()),
          fail: (error) => (reject(error), settled()),
        })
      }),
    ...options,
  })
  t.after(() => stores.close())
  return { ...started, stores, requests }
}
