import { createClient } from '../../src/index.js'
import { createService, tokenOf } from './service.js'

/** @typedef {import('../../src/types.js').ClientOptions} ClientOptions */

/** The part of its window that each wait takes, so that waits are predictable. */
export const HALF = 0.5

/** The tests whose clock is stopped. @type {WeakSet<import('node:test').TestContext>} */
const stopped = new WeakSet()

/**
 * Stops the clock during a test, once; only `tick` advances it.
 *
 * @param {import('node:test').TestContext} t
 */
export function stopClock(t) {
  if (stopped.has(t)) return
  stopped.add(t)
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000_000_000 })
  t.mock.method(Math, 'random', () => HALF)
}

/**
 * Connects a client of person 1 under a stopped clock, and records what it does.
 *
 * @param {import('node:test').TestContext} t
 * @param {Partial<ClientOptions>} [options]
 */
export function start(t, options = {}) {
  stopClock(t)
  const service = createService()
  /** @type {import('../../src/types.js').Status[]} */
  const statuses = []
  /** @type {{ refused?: string }[]} */
  const tokenRequests = []
  /** @type {any[]} */
  const events = []
  const client = createClient({
    url: 'https://api.example.org',
    share: false,
    WebSocket: service.WebSocket,
    ...options,
    getToken(request) {
      tokenRequests.push(request)
      return (options.getToken ?? (() => tokenOf(1, { request: tokenRequests.length })))(request)
    },
  })
  client.subscribe((status) => statuses.push(status))
  client.on('*', (_data, frame) => events.push(frame.seq ?? frame.type))
  t.after(() => client.close())
  client.connect()
  return { client, service, statuses, tokenRequests, events, states: () => statuses.map(({ state }) => state) }
}
