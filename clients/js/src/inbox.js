/**
 * The newest part of one person's inbox, kept current: loaded over REST while it has a listener,
 * and updated by events.
 *
 * Numbers in an inbox have no gap, and reading goes up to a number. So the count of unread
 * notifications is the distance between the last number and that one, in whichever order frames
 * and responses arrive.
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
 * @property {boolean} hasMore whether `loadMore` would load older ones
 * @property {Error | null} error why the last request failed
 */

const PAGE_SIZE = 50

/** @type {InboxState} */
export const EMPTY = Object.freeze({ notifications: [], unreadCount: 0, isLoading: true, hasMore: false, error: null })

export class LiveInbox {
  /** @type {InboxState} */
  #state = EMPTY
  /** @type {Set<() => void>} */
  #listeners = new Set()
  #lastSeq = 0
  #readUpTo = 0
  /** Before the first response an event's number alone would count as that many unread notifications. */
  #isLoaded = false
  /** Increased when responses that are still to come become stale. */
  #generation = 0
  /** Remove the handlers that `#start` has added to the client. @type {(() => void)[]} */
  #removers = []
  #client
  #request

  /**
   * @param {Client} client
   * @param {(method: string, path: string, body?: object) => Promise<any>} request sends a request below `/api/`
   */
  constructor(client, request) {
    this.#client = client
    this.#request = request
  }

  get state() {
    return this.#state
  }

  /** Loads the inbox with the first listener and forgets it with the last. @param {() => void} listener */
  subscribe(listener) {
    if (!this.#listeners.size) this.#start()
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
      if (!this.#listeners.size) this.#stop()
    }
  }

  reload() {
    this.#clear()
    return this.#load()
  }

  async loadMore() {
    const last = this.#state.notifications.at(-1)
    if (last && this.#state.hasMore && !this.#state.isLoading) await this.#load(last.seq)
  }

  /** Marks as read at once, and undoes it if the request fails. @param {number} [upTo] the newest one if absent */
  async markRead(upTo = this.#lastSeq) {
    const before = this.#readUpTo
    const generation = this.#generation
    if (upTo <= before) return
    this.#readUpTo = upTo
    this.#update({})
    try {
      await this.#request('POST', 'notifications/read/', { up_to: upTo })
    } catch (error) {
      if (generation !== this.#generation || this.#readUpTo !== upTo) return
      this.#readUpTo = before
      const notifications = this.#state.notifications.map((one) =>
        one.seq > before ? { ...one, is_read: false } : one,
      )
      this.#update({ notifications, error: /** @type {Error} */ (error) })
    }
  }

  #start() {
    const client = this.#client
    this.#removers = [
      client.on('*', (data, frame) => this.#onEvent(data, frame)),
      client.on('resync', () => this.reload()),
    ]
    // What happens between a response and the first live frame would be in neither, so the request comes second.
    if (client.status.state === 'live') this.#load()
    else {
      const remove = client.subscribe(({ state }) => {
        if (state !== 'live') return
        remove()
        this.#load()
      })
      this.#removers.push(remove)
    }
  }

  #stop() {
    for (const remove of this.#removers) remove()
    this.#removers = []
    this.#clear()
  }

  /** @param {number} [before] for the page that follows the notifications loaded so far */
  async #load(before) {
    const generation = before ? this.#generation : ++this.#generation
    this.#update({ isLoading: true, error: null })
    try {
      const query = before ? `?limit=${PAGE_SIZE}&before=${before}` : `?limit=${PAGE_SIZE}`
      /** @type {Inbox} */
      const inbox = await this.#request('GET', `notifications/${query}`)
      if (generation === this.#generation) this.#merge(inbox, before)
    } catch (error) {
      if (generation === this.#generation) this.#update({ isLoading: false, error: /** @type {Error} */ (error) })
    }
  }

  /** @param {Inbox} inbox @param {number} [before] */
  #merge({ results, last_seq, unread_count }, before) {
    // Events that came while the request was in progress are newer than its response.
    const kept = this.#state.notifications.filter(({ seq }) => seq >= (before ?? last_seq + 1))
    if (!before) {
      this.#isLoaded = true
      this.#lastSeq = Math.max(last_seq, this.#lastSeq)
      this.#readUpTo = Math.max(last_seq - unread_count, this.#readUpTo)
    }
    this.#update({ notifications: [...kept, ...results], hasMore: results.length === PAGE_SIZE, isLoading: false })
  }

  /** @param {any} data @param {Frame} frame */
  #onEvent(data, { type, seq }) {
    if (type === 'notifications_read') {
      this.#readUpTo = Math.max(this.#readUpTo, data.up_to)
      this.#update({})
    } else if (seq !== undefined && seq > this.#lastSeq && type !== 'resync_required') {
      this.#lastSeq = seq
      const created_at = data?.created_at ?? new Date().toISOString()
      this.#update({ notifications: [{ seq, type, data, created_at, is_read: false }, ...this.#state.notifications] })
    }
  }

  /** @param {Partial<InboxState>} changes */
  #update(changes) {
    const notifications = (changes.notifications ?? this.#state.notifications).map((one) =>
      one.seq <= this.#readUpTo && !one.is_read ? { ...one, is_read: true } : one,
    )
    const unreadCount = this.#isLoaded ? Math.max(0, this.#lastSeq - this.#readUpTo) : 0
    this.#state = { ...this.#state, ...changes, notifications, unreadCount }
    for (const listener of [...this.#listeners]) listener()
  }

  /** Drops what is loaded: the numbers may begin again, as those of another database do. */
  #clear() {
    this.#generation++
    this.#state = EMPTY
    this.#lastSeq = this.#readUpTo = 0
    this.#isLoaded = false
  }
}
