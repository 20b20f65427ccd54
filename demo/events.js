/** Keeps what a panel shows current: what each event changes in the model. */

/** @typedef {import('./client/index.js').Client} Client */
/** @typedef {import('./client/rest.js').Rest} Rest */
/** @typedef {import('./model.js').Model} Model */
/** @typedef {import('./conversation.js').Conversations} Conversations */

/** @param {Client} client @param {Model} model @param {Rest} rest @param {Conversations} conversations */
export function applyEvents(client, model, rest, conversations) {
  const { state } = model

  client.on('*', (_data, { seq }) => {
    if (seq !== undefined) state.unread++
    model.changed('me')
  })
  client.on('notifications_read', ({ unread_count }) => {
    state.unread = unread_count
    model.changed('me')
  })
  client.on('friend_request', ({ request_id, from_user, created_at }) => {
    const others = state.requests.filter(({ id }) => id !== request_id)
    state.requests = [{ id: request_id, from_user, created_at }, ...others]
    model.changed('people')
  })
  client.on('friend_accepted', ({ friend }) => {
    model.addFriend(friend)
    model.changed('people')
  })
  client.on('new_message', (data) => {
    const receiver = { id: state.me?.id ?? 0, username: state.me?.username ?? '' }
    const message = { ...data, receiver, is_read: false, story: null }
    const { sender } = message
    if (state.conversations[0]?.last_message.id !== message.id) {
      conversations.moveToTop(message, state.friends.find(({ id }) => id === sender.id) ?? sender)
    }
    if (state.openId === sender.id) {
      state.arrived.add(message.id)
      conversations.insert(message)
      // One request for all that is unread; it marks this message too.
      rest.readConversation(sender.id).catch(model.fail)
    }
    model.changed('people', 'chat')
  })
}
