/** A person's conversations, the latest message first, with how many messages of each are unread. */

import { Store } from './store.js'

/** @import { Conversation, Message } from './rest-types.js' */
/** @import { Screens } from './stores.js' */
/** @import { Frame } from './types.js' */

/** @typedef {{ conversations: Conversation[] }} ConversationsData */

/** @extends {Store<ConversationsData>} */
export class Conversations extends Store {
  /** @param {Screens} screens */
  constructor(screens) {
    super(screens, 'conversations', { conversations: [] })
  }

  async load() {
    const { body, seq } = await this.request('GET', 'messages/conversations/', undefined, LIST)
    return { data: { conversations: body }, seq }
  }

  /** @param {ConversationsData} state @param {Frame} frame */
  apply(state, { type, data }) {
    if (type === 'stale') return null
    if (type !== 'new_message' && type !== 'message_sent' && type !== 'messages_read') return state
    const ids = type === 'messages_read' ? [data.sender_id, data.reader_id] : [(data.receiver ?? data.sender).id]
    const known = state.conversations.find(({ user }) => ids.includes(user.id))
    // An event has no names, and a message that was read alone leaves a count that only the service knows.
    if (!known || data.up_to === null) return null
    const { last_message, unread_count } = known
    if (type === 'messages_read') {
      const isMine = known.user.id === data.sender_id
      if (last_message.id > data.up_to) return isMine ? null : state
      const is_read = last_message.is_read || last_message.sender.id === data.sender_id
      const read = { ...known, unread_count: isMine ? 0 : unread_count, last_message: { ...last_message, is_read } }
      return { conversations: state.conversations.map((one) => (one === known ? read : one)) }
    }
    if (data.id <= last_message.id) return data.receiver ? state : null
    const next = {
      ...known,
      last_message: data.receiver ? data : received(data, [last_message]),
      unread_count: data.receiver ? unread_count : unread_count + 1,
    }
    return { conversations: [next, ...state.conversations.filter((one) => one !== known)] }
  }
}

/** How a list is requested by a store. */
export const LIST = { withSeq: true, shape: Array.isArray }

/**
 * Returns the message of an event as a list has it; none if no message between the two is known,
 * which names its receiver.
 *
 * @param {any} data of the event
 * @param {Message[]} known
 * @returns {Message | undefined}
 */
export function received(data, [known]) {
  const { sender, receiver } = known ?? {}
  const viewer = sender?.id === data.sender.id ? receiver : sender
  return viewer && { ...data, receiver: viewer, is_read: false, story: null }
}
