/** Loads what a panel shows, over REST. */

/** @typedef {import('./client/rest.js').Rest} Rest */
/** @typedef {import('./model.js').Model} Model */
/** @typedef {import('./conversation.js').Conversations} Conversations */

/** @param {Model} model @param {Rest} rest @param {Conversations} conversations */
export function createLoader(model, rest, conversations) {
  const { state } = model

  async function loadLists() {
    const [me, friends, requests, conversations, inbox] = await Promise.all([
      rest.me(),
      rest.friends(),
      rest.friendRequests(),
      rest.conversations(),
      rest.notifications({ limit: 1 }),
    ])
    return { me, friends, requests, conversations, unread: inbox.unread_count }
  }

  return {
    /** Whether the lists are there; without them the next live connection loads them. */
    isLoaded: false,

    /** How many events have arrived. */
    eventCount: 0,

    async load() {
      const { generation } = model
      try {
        for (let countBefore = -1; countBefore !== this.eventCount; ) {
          // An event that arrives while the lists are requested may be in some of them and not in others.
          countBefore = this.eventCount
          const lists = await loadLists()
          if (generation !== model.generation) return
          Object.assign(state, lists)
        }
        this.isLoaded = true
        if (state.openId !== null) await conversations.open(state.openId)
      } catch (error) {
        this.isLoaded = false
        model.fail(error)
      }
      model.changed('me', 'people', 'chat')
    },
  }
}
