/**
 * The newest part of one person's inbox, kept current: loaded over REST when
 * somebody looks at it, and moved on by events.
 *
 * Numbers in an inbox have no gap and reading goes up to a number, so what is
 * unread is the distance between the two, in whichever order frames and answers come.
 */

/** @import { Client, Frame } from './types.js' */
/** @import { Inbox, Notification } from './rest-types.js' */

/**
 * Never changed in place.
 *
 * @typedef {object} InboxState
 * @property {Notification[]} notifications newest first
 * @property {number} unreadCount
 * @property {boolean} isLoading
 * @property {boolean} hasMore older ones, for `loadMore`
 * @property {Error | null} error why the last request failed
 */

const PAGE = 50

/** @type {InboxState} */
export const EMPTY = Object.freeze({ notifications: [], unreadCount: 0, isLoading: true, hasMore: false, error: null })

/**
 * @param {Client} client
 * @param {(method: string, path: string, body?: object) => Promise<any>} request below `/api/`
 */
export function createInbox(client, request) {
  /** @type {Set<() => void>} */
  const listeners = new Set()
  let state = EMPTY
  let lastSeq = 0
  let readUpTo = 0
  /** Before the first answer an event's number alone would count as that many unread ones. */
  let isLoaded = false
  /** Raised when answers under way stop counting. */
  let round = 0
  /** @type {(() => void)[]} */
  let offs = []

  /** @param {Partial<InboxState>} changes */
  function put(changes) {
    const notifications = (changes.notifications ?? state.notifications).map((one) =>
      one.seq <= readUpTo && !one.is_read ? { ...one, is_read: true } : one,
    )
    state = { ...state, ...changes, notifications, unreadCount: isLoaded ? Math.max(0, lastSeq - readUpTo) : 0 }
    for (const listener of [...listeners]) listener()
  }

  /** @param {number} [before] for the page after the ones that are here */
  async function load(before) {
    const mine = before ? round : ++round
    put({ isLoading: true, error: null })
    try {
      const query = before ? `?limit=${PAGE}&before=${before}` : `?limit=${PAGE}`
      /** @type {Inbox} */
      const inbox = await request('GET', `notifications/${query}`)
      if (mine !== round) return
      const { results } = inbox
      const first = before ?? Infinity
      // Events that came while this was under way are newer than it.
      const kept = state.notifications.filter(({ seq }) => (before ? seq >= first : seq > inbox.last_seq))
      if (!before) {
        isLoaded = true
        lastSeq = Math.max(inbox.last_seq, lastSeq)
        readUpTo = Math.max(inbox.last_seq - inbox.unread_count, readUpTo)
      }
      put({ notifications: [...kept, ...results], hasMore: results.length === PAGE, isLoading: false })
    } catch (error) {
      if (mine === round) put({ isLoading: false, error: /** @type {Error} */ (error) })
    }
  }

  /** @param {any} data @param {Frame} frame */
  function onEvent(data, { type, seq }) {
    if (type === 'notifications_read') {
      readUpTo = Math.max(readUpTo, data.up_to)
      put({})
    } else if (seq !== undefined && seq > lastSeq && type !== 'resync_required') {
      lastSeq = seq
      const created_at = data?.created_at ?? new Date().toISOString()
      put({ notifications: [{ seq, type, data, created_at, is_read: false }, ...state.notifications] })
    }
  }

  /** Drops what is here: the numbers may begin anew, as those of another database do. */
  function clear() {
    round++
    state = EMPTY
    lastSeq = readUpTo = 0
    isLoaded = false
  }

  function start() {
    offs = [client.on('*', onEvent), client.on('resync', reload)]
    // What happens between an answer and the first live frame would be in neither, so the answer comes second.
    if (client.status.state === 'live') load()
    else {
      const off = client.subscribe(({ state: next }) => {
        if (next !== 'live') return
        off()
        load()
      })
      offs.push(off)
    }
  }

  function stop() {
    for (const off of offs) off()
    offs = []
    clear()
  }

  function reload() {
    clear()
    return load()
  }

  return {
    get state() {
      return state
    },

    /** Loads with the first listener and forgets with the last. @param {() => void} listener */
    subscribe(listener) {
      if (!listeners.size) start()
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
        if (!listeners.size) stop()
      }
    },

    reload,

    async loadMore() {
      const last = state.notifications.at(-1)
      if (last && state.hasMore && !state.isLoading) await load(last.seq)
    },

    /** Marks as read at once, and takes it back if the service does not. @param {number} [upTo] the newest one if absent */
    async markRead(upTo = lastSeq) {
      const before = readUpTo
      const mine = round
      if (upTo <= before) return
      readUpTo = upTo
      put({})
      try {
        await request('POST', 'notifications/read/', { up_to: upTo })
      } catch (error) {
        if (mine !== round || readUpTo !== upTo) return
        readUpTo = before
        const notifications = state.notifications.map((one) => (one.seq > before ? { ...one, is_read: false } : one))
        put({ notifications, error: /** @type {Error} */ (error) })
      }
    },
  }
}
