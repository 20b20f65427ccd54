/**
 * The newest part of one person's inbox, kept current.
 *
 * Numbers in an inbox have no gap, and reading goes up to a number. So the count of unread
 * notifications is the distance between the last number and that one, in whichever order frames
 * and responses arrive.
 */

import { Store } from './store.js'

/** @import { Inbox, Notification } from './rest-types.js' */
/** @import { Loading } from './store.js' */
/** @import { Screens } from './stores.js' */
/** @import { Frame } from './types.js' */

/**
 * @typedef {object} InboxData
 * @property {Notification[]} notifications newest first
 * @property {number} unreadCount
 * @property {boolean} hasMore whether `loadMore` would load older ones
 * @property {number} lastSeq
 * @property {number} readUpTo
 */

/** Never changed in place. @typedef {InboxData & Loading} InboxState */

const PAGE_SIZE = 50

/** @type {InboxData} */
const NOTHING = { notifications: [], unreadCount: 0, hasMore: false, lastSeq: 0, readUpTo: 0 }

/** @extends {Store<InboxData>} */
export class LiveInbox extends Store {
  // Its numbers and the frame of a new connection say all that happened meanwhile.
  isVolatile = false

  /** @param {Screens} screens */
  constructor(screens) {
    super(screens, 'inbox', NOTHING)
  }

  async load() {
    /** @type {Inbox} */
    const { results, last_seq, unread_count } = await this.request('GET', `notifications/?limit=${PAGE_SIZE}`)
    const before = this.isLoaded ? this.getSnapshot() : NOTHING
    const oldest = results.at(-1)?.seq ?? 0
    // Pages that were loaded before stay, if nothing is missing in between.
    const isJoined = results.length === PAGE_SIZE && before.lastSeq >= oldest
    const older = isJoined ? before.notifications.filter(({ seq }) => seq < oldest) : []
    const data = counted({
      notifications: [...results, ...older],
      hasMore: older.length ? before.hasMore : results.length === PAGE_SIZE,
      lastSeq: last_seq,
      readUpTo: Math.max(last_seq - unread_count, before.readUpTo),
      unreadCount: unread_count,
    })
    return { data, seq: last_seq }
  }

  /** @param {InboxData} state @param {Frame} frame */
  apply(state, { type, seq, data }) {
    if (type === 'notifications_read') return counted({ ...state, readUpTo: Math.max(state.readUpTo, data.up_to) })
    if (seq === undefined || seq <= state.lastSeq) return state
    const created_at = data?.created_at ?? new Date().toISOString()
    const notifications = [{ seq, type, data, created_at, is_read: false }, ...state.notifications]
    return counted({ ...state, notifications, lastSeq: seq })
  }

  loadMore = async () => {
    const { notifications, hasMore } = this.getSnapshot()
    const before = notifications.at(-1)?.seq
    if (!before || !hasMore) return
    await this.loadOlder(async () => {
      /** @type {Inbox} */
      const { results } = await this.request('GET', `notifications/?limit=${PAGE_SIZE}&before=${before}`)
      const now = this.getSnapshot().notifications
      // Unless it was loaded anew meanwhile.
      const isNext = now.at(-1)?.seq === before
      return isNext ? { notifications: [...now, ...results], hasMore: results.length === PAGE_SIZE } : {}
    })
  }

  /** Marks as read at once, and undoes it if the request fails. @param {number} [upTo] the newest one if absent */
  markRead = async (upTo = this.getSnapshot().lastSeq) => {
    const { readUpTo } = this.getSnapshot()
    if (upTo <= readUpTo) return
    this.set(counted({ ...this.getSnapshot(), readUpTo: upTo }))
    try {
      await this.request('POST', 'notifications/read/', { up_to: upTo })
    } catch (error) {
      const now = this.getSnapshot()
      if (now.readUpTo === upTo) this.set({ ...counted({ ...now, readUpTo }), error: /** @type {Error} */ (error) })
    }
  }
}

/** Counts what is unread. @param {InboxData} data @returns {InboxData} */
function counted({ notifications, lastSeq, readUpTo, hasMore }) {
  return {
    notifications: notifications.map((one) => {
      const is_read = one.seq <= readUpTo
      return one.is_read === is_read ? one : { ...one, is_read }
    }),
    unreadCount: Math.max(0, lastSeq - readUpTo),
    lastSeq,
    readUpTo,
    hasMore,
  }
}
