/**
 * The client: what a page holds. It hands each event to its handlers once, in
 * order, and tells the state of the connection.
 */

import { createFeed } from './feed.js'
import { createPosition } from './position.js'

/** @import { Client, ClientOptions, Frame, GetToken, Status, Timings } from './types.js' */

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

/** What is told before `connect()` and after `close()`. @type {Status} */
export const CLOSED = Object.freeze({ state: 'closed', nextAttemptAt: null, reason: null, tab: 'alone' })

/**
 * Creates a client. It does nothing before `connect()`, so it may be created
 * anywhere, also while a server renders the page.
 *
 * @param {ClientOptions} options
 * @returns {Client}
 */
export function createClient(options) {
  /** @type {Map<string, Set<(data: any, frame: any) => void>>} */
  const handlers = new Map()
  /** @type {Set<(status: Status) => void>} */
  const listeners = new Set()
  let status = CLOSED
  let isOpen = false
  const position = createPosition(options.url ?? '', options.storage, options.cursor)
  /** @type {ReturnType<typeof createFeed> | undefined} */
  let feed

  /** @param {Frame & { [key: string]: any }} frame */
  function deliver(frame) {
    const { type, seq } = frame
    if (type === 'resync_required') {
      if (seq !== undefined) position.move(seq)
      return emit('resync', { seq }, frame)
    }
    if (seq !== undefined && position.cursor !== undefined && seq <= position.cursor) return
    emit(type, frame.data, frame)
    // After the handlers: a page that ends in between gets the event again, and does not lose it.
    if (seq !== undefined && isOpen) position.move(seq)
  }

  /** @param {string} type @param {any} data @param {Frame} frame */
  function emit(type, data, frame) {
    for (const handler of [...(handlers.get(type) ?? []), ...(handlers.get('*') ?? [])]) {
      isolate(() => isOpen && handler(data, frame))
    }
  }

  const wake = () => feed?.wake()
  const seen = () => document.visibilityState === 'visible' && wake()

  return {
    get status() {
      return status
    },

    on(/** @type {string} */ type, /** @type {(data: any, frame: any) => void} */ handler) {
      const own = handlers.get(type) ?? new Set()
      handlers.set(type, own)
      // Wrapped, so that a handler given twice is called twice and ended twice.
      const entry = (/** @type {any} */ data, /** @type {any} */ frame) => handler(data, frame)
      own.add(entry)
      return () => void own.delete(entry)
    },

    subscribe(listener) {
      const entry = (/** @type {Status} */ next) => listener(next)
      listeners.add(entry)
      return () => void listeners.delete(entry)
    },

    connect() {
      feed ??= createFeed({
        url: () => socketUrl(options.url),
        getToken: /** @type {GetToken} */ (options.getTicket ?? options.getToken),
        usesTickets: !!options.getTicket,
        share: options.share !== false,
        position,
        WebSocket: options.WebSocket ?? globalThis.WebSocket,
        timings: { ...TIMINGS, ...options.timings },
        onFrame: deliver,
        onStatus(next) {
          status = next
          for (const listener of [...listeners]) isolate(() => listener(next))
        },
      })
      if (!isOpen) {
        isOpen = true
        globalThis.addEventListener?.('online', wake)
        globalThis.addEventListener?.('offline', wake)
        globalThis.document?.addEventListener('visibilitychange', seen)
      }
      feed.connect()
    },

    close({ forget = false } = {}) {
      if (isOpen) {
        isOpen = false
        globalThis.removeEventListener?.('online', wake)
        globalThis.removeEventListener?.('offline', wake)
        globalThis.document?.removeEventListener('visibilitychange', seen)
        feed?.stop()
      }
      if (forget) position.forget()
    },
  }
}

/** Runs a handler so that its fault is reported as the page's own and hinders no other. @param {() => unknown} run */
function isolate(run) {
  try {
    run()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

/** @param {string} [base] */
function socketUrl(base) {
  const url = new URL(base || '/', globalThis.location?.href)
  url.protocol = url.protocol.replace('http', 'ws')
  url.pathname = url.pathname.replace(/\/*$/, '/ws/notifications/')
  return url
}
