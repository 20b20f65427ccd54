/**
 * The stores of one person: what each screen shows, kept as a fresh request would show it.
 *
 * With a storage, what was shown when a page ended is shown at once by the next one, and messages outlive the
 * page in which they were written.
 */

import { Conversations } from './conversations.js'
import { Friends } from './friends.js'
import { LiveInbox } from './inbox.js'
import { Messages } from './messages.js'
import { Outbox } from './outbox.js'
import { safeStorage } from './storage.js'

/** @import { Request } from './store.js' */
/** @import { Client, Frame, StorageChoice } from './types.js' */

/** How many characters of JSON are kept to be shown first by the next page. */
const MAX_CACHE_CHARS = 300_000

/**
 * @typedef {object} StoresOptions
 * @property {Client} client
 * @property {Request} request of a REST client, `rest.request`
 * @property {string | number | null} user differs between people, such as `rest.userId`
 * @property {StorageChoice | null} [storage]
 */

/** @param {StoresOptions} options */
export function createStores(options) {
  const stores = new Screens(options)
  stores.open()
  return stores
}

export class Screens {
  /** @type {Map<number, Messages>} */
  #messages = new Map()
  /** @type {(() => void)[]} */
  #removers = []
  #outboxName
  #forget

  /** @param {StoresOptions} options */
  constructor({ client, request, user, storage: choice }) {
    const storage = safeStorage(user === null ? null : choice)
    const [cacheName, outboxName] = [`numeneon:screens:${user}`, `numeneon:outbox:${user}`]
    this.client = client
    this.request = request
    this.cache = cacheIn(storage, cacheName)
    this.outbox = new Outbox({
      request,
      storage,
      name: outboxName,
      onSent: (message) => this.receive({ type: message ? 'message_sent' : 'stale', data: message }),
    })
    this.conversations = new Conversations(this)
    this.friends = new Friends(this)
    this.inbox = new LiveInbox(this)
    this.#outboxName = outboxName
    this.#forget = () => [cacheName, outboxName].forEach(storage.remove)
  }

  /** Sends what was not sent before, now if the connection is live, and whenever it becomes so. */
  open() {
    const { client, outbox } = this
    const onState = () => void (client.status.state === 'live' && outbox.send())
    const onHide = () => {
      for (const store of this.#all()) store.save()
    }
    const onStorage = (/** @type {StorageEvent} */ { key }) => key === this.#outboxName && outbox.refresh()
    globalThis.addEventListener?.('storage', onStorage)
    globalThis.addEventListener?.('pagehide', onHide)
    this.#removers = [
      client.subscribe(onState),
      () => globalThis.removeEventListener?.('storage', onStorage),
      () => globalThis.removeEventListener?.('pagehide', onHide),
    ]
    onState()
  }

  /** Returns the messages exchanged with a user, always the same store. @param {number} userId */
  messages = (userId) => {
    const store = this.#messages.get(userId) ?? new Messages(this, userId)
    this.#messages.set(userId, store)
    return store
  }

  /** Gives all of them what this page has done. @param {Frame} frame */
  receive(frame) {
    for (const store of this.#all()) store.receive(frame)
  }

  #all() {
    return [this.conversations, this.friends, this.inbox, ...this.#messages.values()]
  }

  /** Ends them; with `forget` nothing of them is left in the storage, as it should be at a sign-out. */
  close({ forget = false } = {}) {
    for (const remove of this.#removers) remove()
    this.outbox.stop()
    if (forget) this.#forget()
  }
}

/** @param {ReturnType<typeof safeStorage>} storage @param {string} key */
function cacheIn(storage, key) {
  /** @type {Map<string, object>} */
  const screens = new Map(storage.parsed(key))
  return {
    /** @param {string} name @returns {any} */
    read: (name) => screens.get(name),

    /** @param {string} name @param {object} data */
    write(name, data) {
      screens.delete(name)
      screens.set(name, data)
      let text = JSON.stringify([...screens])
      // The least recently loaded go first.
      for (const oldest of screens.keys()) {
        if (text.length <= MAX_CACHE_CHARS) break
        screens.delete(oldest)
        text = JSON.stringify([...screens])
      }
      storage.set(key, text)
    },
  }
}
