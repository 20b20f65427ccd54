/**
 * The messages between a person and another one, oldest first, and those that are still to be sent.
 *
 * While it has a listener it is on the screen: what arrives is marked as read when the page is visible.
 */

import { LIST, received } from './conversations.js'
import { watchPage } from './page.js'
import { idOf } from './rest-requests.js'
import { Store } from './store.js'

/** @import { Unsent } from './outbox.js' */
/** @import { Message } from './rest-types.js' */
/** @import { Screens } from './stores.js' */
/** @import { Frame } from './types.js' */

const PAGE_SIZE = 50

/**
 * @typedef {object} MessagesData
 * @property {Message[]} messages oldest first
 * @property {Unsent[]} unsent what is being sent or has failed, in the order in which it was written
 * @property {boolean} hasMore whether `loadMore` would load older ones
 */

/** @extends {Store<MessagesData>} */
export class Messages extends Store {
  #userId
  #isMarking = false
  /** Notices of messages that may be among those that are being sent here. @type {Frame[]} */
  #held = []

  /** @param {Screens} screens @param {number} userId of the other */
  constructor(screens, userId) {
    super(screens, `messages ${idOf(userId)}`, { messages: [], unsent: [], hasMore: false })
    this.#userId = userId
    this.#showUnsent()
  }

  async load() {
    const { body, seq } = await this.#page()
    const { messages, hasMore } = this.getSnapshot()
    // Pages that were loaded before stay, if nothing is missing in between.
    const isJoined = this.isLoaded && messages.some(({ id }) => id === body[0]?.id)
    const older = isJoined ? messages.filter(({ id }) => id < body[0].id) : []
    const data = { messages: [...older, ...body], hasMore: older.length ? hasMore : body.length === PAGE_SIZE }
    return { data: { ...data, unsent: this.#unsent() }, seq }
  }

  /** @param {MessagesData} state @param {Frame} frame */
  apply(state, frame) {
    const { type, data, only } = /** @type {Frame & { only?: string }} */ (frame)
    const { messages } = state
    const userId = this.#userId
    if (type === 'stale') return null
    if (type === 'messages_read' && [data.sender_id, data.reader_id].includes(userId)) {
      if (data.up_to === null) return null
      // By this person what the other has written, or by the other what this person has.
      const isTheirs = data.sender_id === userId
      const read = (/** @type {Message} */ one) =>
        (one.sender.id === userId) === isTheirs && one.id <= data.up_to && !one.is_read
          ? { ...one, is_read: true }
          : one
      return { ...state, messages: messages.map(read) }
    }
    // Of what is being sent here the response says the same, and which of the unsent it is.
    const isBeingSent = this.#unsent().some((one) => one.status === 'sending' && one.content.trim() === data.content)
    if (type === 'message_sent' && only && isBeingSent) {
      this.#held.push(frame)
      return state
    }
    const isOurs = (type === 'new_message' && data.sender.id === userId) || data?.receiver?.id === userId
    if (!isOurs || messages.some(({ id }) => id === data.id)) return state
    const message = data.receiver ? data : received(data, messages)
    if (!message) return null
    // One's own message may have been numbered before one that arrived sooner.
    return { ...state, messages: [...messages, message].sort((a, b) => a.id - b.id), unsent: this.#unsent() }
  }

  watch() {
    this.#showUnsent()
    return [
      this.screens.outbox.subscribe(() => this.#showUnsent()),
      watchPage(() => void this.#markRead()),
    ]
  }

  /** @param {Partial<MessagesData & import('./store.js').Loading>} changes */
  set(changes) {
    super.set(changes)
    void this.#markRead()
  }

  /** Shows a message at once, and sends it as soon as possible, once. @param {string} content */
  send = (content) => this.screens.outbox.add(this.#userId, content)

  /** Sends a message that has failed again. @param {string} key */
  retry = (key) => this.screens.outbox.retry(key)

  /** Drops a message that has failed. @param {string} key */
  discard = (key) => this.screens.outbox.discard(key)

  loadMore = async () => {
    const { messages, hasMore } = this.getSnapshot()
    const [first] = messages
    if (!first || !hasMore) return
    await this.loadOlder(async () => {
      const { body } = await this.#page(first.id)
      const now = this.getSnapshot().messages
      // Unless it was loaded anew meanwhile.
      return now[0]?.id === first.id ? { messages: [...body, ...now], hasMore: body.length === PAGE_SIZE } : {}
    })
  }

  /** @param {number} [before] */
  #page(before) {
    const query = `?limit=${PAGE_SIZE}${before ? `&before=${before}` : ''}`
    return this.request('GET', `messages/conversation/${this.#userId}/${query}`, undefined, LIST)
  }

  #showUnsent() {
    this.set({ unsent: this.#unsent() })
    for (const frame of this.#held.splice(0)) this.receive(frame)
  }

  #unsent() {
    return this.screens.outbox.entries.filter(({ receiver_id }) => receiver_id === this.#userId)
  }

  /** Marks what the other has written as read, if it can be seen. */
  async #markRead() {
    const user_id = this.#userId
    const isUnread = (/** @type {Message} */ { sender, is_read }) => sender.id === user_id && !is_read
    const last = this.getSnapshot().messages.filter(isUnread).at(-1)
    const isVisible = this.isLoaded && globalThis.document?.visibilityState === 'visible'
    if (!last || !isVisible || this.#isMarking) return
    this.#isMarking = true
    try {
      await this.request('POST', `messages/conversation/${user_id}/read/`)
      this.#isMarking = false
      this.screens.receive({ type: 'messages_read', data: { sender_id: user_id, up_to: last.id } })
    } catch {
      // The next message, or the page becoming visible, marks it.
      this.#isMarking = false
    }
  }
}
