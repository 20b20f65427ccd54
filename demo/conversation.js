/** The conversations of one person: the open one with its messages, and the order of all. */

/** @typedef {import('./client/rest.js').Rest} Rest */
/** @typedef {import('./model.js').Model} Model */
/** @typedef {import('./model.js').Message} Message */

/** @typedef {ReturnType<typeof createConversations>} Conversations */

/** @param {Model} model @param {Rest} rest */
export function createConversations(model, rest) {
  const { state } = model

  /** Inserts a message into the open conversation, in the order of ids, once. @param {Message} message */
  function insert(message) {
    const others = state.messages.filter(({ id }) => id !== message.id)
    state.messages = [...others, message].sort((a, b) => a.id - b.id)
  }

  /** @param {number} userId */
  async function markRead(userId) {
    const conversation = state.conversations.find(({ user }) => user.id === userId)
    if (!conversation?.unread_count) return
    conversation.unread_count = 0
    model.changed('people')
    await rest.readConversation(userId)
  }

  return {
    insert,

    /** Opens the conversation with a user, and marks it as read. @param {number} userId */
    async open(userId) {
      const { generation } = model
      state.openId = userId
      state.messages = []
      model.changed('chat', 'people')
      const messages = await rest.conversation(userId, { limit: 100 })
      if (generation !== model.generation || state.openId !== userId) return
      const arrivedMeanwhile = state.messages
      state.messages = messages
      arrivedMeanwhile.forEach(insert)
      model.changed('chat')
      await markRead(userId)
    },

    close() {
      state.openId = null
      model.changed('chat', 'people')
    },

    /** Moves the message's conversation to the top. @param {Message} message @param {any} other the other user */
    moveToTop(message, other) {
      const before = state.conversations.find(({ user }) => user.id === other.id)
      const isUnread = message.sender.id === other.id && state.openId !== other.id
      const unread_count = (before?.unread_count ?? 0) + (isUnread ? 1 : 0)
      const others = state.conversations.filter((conversation) => conversation !== before)
      state.conversations = [{ user: before?.user ?? other, last_message: message, unread_count }, ...others]
    },
  }
}
