/** What the buttons and fields of a panel do. */

/** @typedef {import('./client/rest.js').Rest} Rest */
/** @typedef {import('./model.js').Model} Model */
/** @typedef {import('./conversation.js').Conversations} Conversations */

/** How many search results are shown. */
const MAX_RESULTS = 5

/** @param {Model} model @param {Rest} rest @param {string} name of a new account */
export function accountActions(model, rest, name) {
  const { state } = model

  return {
    async signUp() {
      state.isBusy = true
      model.changed('me')
      const username = `${name.toLowerCase()}-${crypto.getRandomValues(new Uint16Array(1))[0]}`
      const password = crypto.randomUUID()
      const account = { username, email: `${username}@example.org`, password, display_name: name }
      await model.attempt(async () => {
        await rest.signUp(account)
        await rest.signIn(account)
      })
      state.isBusy = false
      model.changed('me')
    },

    signOut: () => model.attempt(() => rest.signOut()),

    markAllRead: () =>
      model.attempt(async () => {
        const { last_seq } = await rest.notifications({ limit: 1 })
        state.unread = (await rest.readNotifications(last_seq)).unread_count
        model.changed('me')
      }),
  }
}

/** @param {Model} model @param {Rest} rest */
export function friendActions(model, rest) {
  const { state } = model

  return {
    /** @param {string} text */
    async search(text) {
      const query = text.trim()
      if (!query) state.searchResults = null
      else await model.attempt(async () => (state.searchResults = (await rest.search(query)).slice(0, MAX_RESULTS)))
      model.changed('people')
    },

    /** @param {any} user */
    requestFriend: (user) =>
      model.attempt(async () => {
        const { message } = await rest.requestFriend(user.id)
        // If that user has sent a request too, this one accepts it.
        if (/accept/i.test(message)) model.addFriend(user)
        else state.requested.add(user.id)
        model.changed('people')
      }),

    /** @param {any} request */
    accept: (request) =>
      model.attempt(async () => {
        model.addFriend((await rest.acceptFriend(request.id)).friend)
        model.changed('people')
      }),

    /** @param {any} request */
    decline: (request) =>
      model.attempt(async () => {
        await rest.declineFriend(request.id)
        state.requests = state.requests.filter(({ id }) => id !== request.id)
        model.changed('people')
      }),
  }
}

/** @param {Model} model @param {Rest} rest @param {Conversations} conversations */
export function chatActions(model, rest, conversations) {
  const { state } = model

  return {
    /** @param {number} userId */
    openChat: (userId) => model.attempt(() => conversations.open(userId)),

    closeChat: () => conversations.close(),

    /** Sends a message in the open conversation, and returns whether it was sent. @param {string} content */
    send: (content) =>
      model.attempt(async () => {
        const message = await rest.sendMessage({ receiver_id: /** @type {number} */ (state.openId), content })
        const { receiver } = message
        conversations.insert(message)
        conversations.moveToTop(message, state.friends.find(({ id }) => id === receiver.id) ?? receiver)
        model.changed('chat', 'people')
      }),
  }
}
