/**
 * The client is what a page holds: it connects, hands each event to its handlers once and in
 * order, and reports the status of the connection.
 */

import { Dispatcher } from './dispatcher.js'
import { Feed } from './feed.js'
import { isolate, Listeners } from './listeners.js'
import { watchPage } from './page.js'
import { Position } from './position.js'

/** @import { AnyHandler } from './dispatcher.js' */
/** @import { Client, ClientOptions, GetToken, Status, Timings } from './types.js' */

/** @type {Timings} */
const TIMINGS = {
  backoffMinMs: 500,
  backoffMaxMs: 20_000,
  restartMs: 1000,
  pauseMs: 30_000,
  steadyMs: 5000,
  openMs: 10_000,
  pingMs: 25_000,
  pongMs: 5000,
  leaderMs: 3000,
}

/** The status before `connect()` and after `close()`. @type {Status} */
export const CLOSED = Object.freeze({ state: 'closed', nextAttemptAt: null, reason: null, tab: 'alone' })

/**
 * Creates a client. It does nothing before `connect()`, so it may be created anywhere, also while
 * a server renders the page.
 *
 * @param {ClientOptions} options
 * @returns {Client}
 */
export function createClient(options) {
  const position = new Position(options.url ?? '', options.storage, options.cursor)
  const dispatcher = new Dispatcher(position)
  /** @type {Listeners<(status: Status) => void>} */
  const listeners = new Listeners()
  let status = CLOSED
  /** @type {Feed | undefined} */
  let feed
  let stopWatching = () => {}

  const startFeed = () =>
    new Feed({
      url: () => socketUrl(options.url),
      getToken: /** @type {GetToken} */ (options.getTicket ?? options.getToken),
      usesTickets: !!options.getTicket,
      share: options.share !== false,
      position,
      WebSocket: options.WebSocket ?? globalThis.WebSocket,
      timings: { ...TIMINGS, ...options.timings },
      onFrame: (frame) => dispatcher.deliver(frame),
      onStatus(next) {
        status = next
        for (const listener of listeners.all()) isolate(() => listener(next))
      },
    })

  return {
    get status() {
      return status
    },

    on: (/** @type {string} */ type, /** @type {AnyHandler} */ handler) => dispatcher.on(type, handler),

    subscribe: (listener) => listeners.add(listener),

    connect() {
      feed ??= startFeed()
      if (!dispatcher.isOpen) {
        dispatcher.isOpen = true
        stopWatching = watchPage(() => feed?.wake())
      }
      feed.connect()
    },

    close({ forget = false } = {}) {
      if (dispatcher.isOpen) {
        dispatcher.isOpen = false
        stopWatching()
        feed?.stop()
      }
      if (forget) position.forget()
    },
  }
}

/** @param {string} [base] */
function socketUrl(base) {
  const url = new URL(base || '/', globalThis.location?.href)
  url.protocol = url.protocol.replace('http', 'ws')
  url.pathname = url.pathname.replace(/\/*$/, '/ws/notifications/')
  return url
}
