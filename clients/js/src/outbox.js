/**
 * The outbox of a person: messages that were written and not yet sent, sent one after the other in
 * the order in which they were written.
 *
 * Each has an idempotency key for as long as it exists, so the receiver gets it once, however often
 * it is sent. They are in the storage before anything is sent, and outlive the page and the tab;
 * tabs that share the storage share the outbox, and take turns.
 */

import { backoffMs } from './backoff.js'
import { isolate, Listeners } from './listeners.js'
import { isTransient, retryAfterMs } from './rest-error.js'
import { newKey } from './rest-requests.js'

/** @import { Message } from './rest-types.js' */
/** @import { safeStorage } from './storage.js' */
/** @import { Request } from './store.js' */

/**
 * @typedef {object} Unsent
 * @property {string} key
 * @property {number} receiver_id
 * @property {string} content
 * @property {string} created_at
 * @property {'sending' | 'failed'} status
 * @property {string} [error] why it failed
 */

/** The waits between attempts. A connection that becomes live ends them. */
const RETRY = { backoffMinMs: 1000, backoffMaxMs: 30_000 }

/** For how long the service recognises a key: a message that was tried before is not sent again by itself after it. */
const KEY_MS = 23 * 3600 * 1000

export class Outbox {
  /** @type {Listeners<() => void>} */
  #listeners = new Listeners()
  /** @type {Unsent[]} */
  #entries
  #isSending = false
  /** Whether there may be something to send that the sending in progress does not see. */
  #isWanted = false
  #failures = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer
  #options

  /**
   * @param {object} options
   * @param {Request} options.request
   * @param {ReturnType<typeof safeStorage>} options.storage
   * @param {string} options.name in the storage, and of the lock
   * @param {(message: Message | null) => void} options.onSent null if another tab has sent it
   */
  constructor(options) {
    this.#options = options
    this.#entries = this.#stored() ?? []
  }

  get entries() {
    return this.#entries
  }

  /** @param {() => void} listener */
  subscribe(listener) {
    return this.#listeners.add(listener)
  }

  /** Takes what another tab has stored. */
  refresh() {
    const before = this.#entries
    this.#entries = this.#stored() ?? before
    this.#notify()
    if (before.some(({ key }) => !this.#entries.some((entry) => entry.key === key))) this.#options.onSent(null)
  }

  /** @param {number} receiver_id @param {string} content */
  add(receiver_id, content) {
    const created_at = new Date().toISOString()
    this.#change((entries) => [...entries, { key: newKey(), receiver_id, content, created_at, status: 'sending' }])
    void this.send()
  }

  /** @param {string} key */
  retry(key) {
    // A key that the service has refused would be refused again.
    const anew = { key: newKey(), created_at: new Date().toISOString(), status: /** @type {const} */ ('sending') }
    this.#change((entries) => entries.map((one) => (one.key === key ? { ...one, ...anew } : one)))
    void this.send()
  }

  /** @param {string} key */
  discard(key) {
    this.#change((entries) => entries.filter((one) => one.key !== key))
  }

  /** Sends what there is, now. */
  async send() {
    this.#isWanted = true
    if (this.#isSending) return
    this.#isSending = true
    const drain = async () => {
      while (await this.#sendNext());
    }
    // What was added while the last message was on its way may have come after the last look.
    while (this.#isWanted) {
      this.#isWanted = false
      clearTimeout(this.#timer)
      try {
        // One tab at a time, for the order; the keys would suffice for the rest.
        await (globalThis.navigator?.locks?.request(this.#options.name, drain) ?? drain())
      } catch {
        await drain()
      }
    }
    this.#isSending = false
  }

  /** Does nothing more. */
  stop() {
    clearTimeout(this.#timer)
  }

  /** Sends the first message; returns whether there may be another one to send now. */
  async #sendNext() {
    this.refresh()
    const entry = this.#entries.find(({ status }) => status === 'sending')
    if (!entry) return false
    const { key, receiver_id, content, created_at } = entry
    try {
      if (Date.now() - Date.parse(created_at) > KEY_MS) throw new Error('It is too old to be sent by itself.')
      const message = await this.#options.request('POST', 'messages/', { receiver_id, content }, { key })
      this.#failures = 0
      this.discard(key)
      this.#options.onSent(message)
      return true
    } catch (/** @type {any} */ error) {
      if (error.status === 401) return false
      if (!isTransient(error) && error.status !== 429) {
        const failed = { status: /** @type {const} */ ('failed'), error: error.message }
        this.#change((entries) => entries.map((one) => (one.key === key ? { ...one, ...failed } : one)))
        return true
      }
      const waitMs = Math.max(retryAfterMs(error), backoffMs(this.#failures++, RETRY))
      this.#timer = setTimeout(() => this.send(), waitMs)
      return false
    }
  }

  /** @param {(entries: Unsent[]) => Unsent[]} change */
  #change(change) {
    const { storage, name } = this.#options
    this.#entries = change(this.#stored() ?? this.#entries)
    // Where the new list does not fit, the old one must not be taken for it.
    if (!storage.set(name, JSON.stringify(this.#entries))) storage.remove(name)
    this.#notify()
  }

  #notify() {
    for (const listener of this.#listeners.all()) isolate(listener)
  }

  /** @returns {Unsent[] | null} */
  #stored() {
    return this.#options.storage.parsed(this.#options.name)
  }
}
