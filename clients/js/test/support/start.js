import { createClient } from '../../src/index.js'
import { createService, tokenOf } from './service.js'

/** @typedef {import('../../src/types.js').ClientOptions} ClientOptions */

/** Half of every window, so that a wait is a number. */
export const HALF = 0.5

/**
 * Stops the clock of a test; only `tick` moves it.
 *
 * @param {import('node:test').TestContext} t
 */
export function stopClock(t) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000_000_000 })
  t.mock.method(Math, 'random', () => HALF)
}

/**
 * A client of the person 1 under a stopped clock, with everything it did so far.
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
  const asked = []
  /** @type {any[]} */
  const events = []
  const client = createClient({
    url: 'https://api.example.org',
    share: false,
    WebSocket: service.WebSocket,
    ...options,
    getToken(ask) {
      asked.push(ask)
      return (options.getToken ?? (() => tokenOf(1, { asked: asked.length })))(ask)
    },
  })
  client.subscribe((status) => statuses.push(status))
  client.on('*', (_data, frame) => events.push(frame.seq ?? frame.type))
  t.after(() => client.close())
  client.connect()
  return { client, service, statuses, asked, events, states: () => statuses.map(({ state }) => state) }
}
