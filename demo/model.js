/**
 * The model of one person: what their panel shows, and the listeners that are called when a part of
 * it changes.
 */

/** @typedef {import('./client/rest.js').Message} Message */

/** @typedef {'me' | 'people' | 'chat' | 'log' | 'status' | 'error'} Part what is drawn by itself */

/** @typedef {ReturnType<typeof createModel>} Model */

/** How many entries the log shows. */
const MAX_LOG_ENTRIES = 60

/** What is shown of a person before it is loaded. */
const nothingLoaded = () => ({
  me: /** @type {import('./client/rest.js').Me | null} */ (null),
  friends: /** @type {any[]} */ ([]),
  requests: /** @type {any[]} */ ([]),
  conversations: /** @type {import('./client/rest.js').Conversation[]} */ ([]),
  /** Null without a search. */
  searchResults: /** @type {any[] | null} */ (null),
  /** The ids of those who have received a friend request from here. */
  requested: /** @type {Set<number>} */ (new Set()),
  /** With whom the open conversation is. */
  openId: /** @type {number | null} */ (null),
  messages: /** @type {Message[]} */ ([]),
  /** The ids of messages that have arrived while their conversation was open. */
  arrived: /** @type {Set<number>} */ (new Set()),
  unread: 0,
  log: /** @type {import('./network.js').LogEntry[]} */ ([]),
})

export function createModel() {
  /** @type {Set<(part: Part) => void>} */
  const listeners = new Set()
  const state = { ...nothingLoaded(), isBusy: false, error: '' }

  /** @param {Part[]} parts */
  const changed = (...parts) => parts.forEach((part) => listeners.forEach((listener) => listener(part)))

  /** @param {unknown} error */
  const fail = (error) => {
    state.error = error instanceof Error ? error.message : String(error)
    changed('error')
  }

  return {
    state,

    /** Increased when somebody else signs in: what was requested before is stale then. */
    generation: 0,

    changed,

    /** Shows an error. */
    fail,

    /** Calls the listener with each part that changes. @param {(part: Part) => void} listener */
    subscribe: (listener) => void listeners.add(listener),

    /** Drops what was shown of the person who was signed in. */
    reset() {
      this.generation++
      Object.assign(state, nothingLoaded())
    },

    /** @param {import('./network.js').LogEntry} entry */
    log(entry) {
      state.log = [...state.log.slice(1 - MAX_LOG_ENTRIES), entry]
      changed('log')
    },

    /**
     * Runs what a button does, shows the error if it fails, and returns whether it succeeded.
     *
     * @param {() => Promise<unknown>} action
     */
    async attempt(action) {
      state.error = ''
      changed('error')
      try {
        await action()
        return true
      } catch (error) {
        fail(error)
        return false
      }
    },

    /** @param {any} friend */
    addFriend(friend) {
      state.friends = [friend, ...state.friends.filter(({ id }) => id !== friend.id)]
      state.requests = state.requests.filter(({ from_user }) => from_user.id !== friend.id)
      state.requested.delete(friend.id)
    },
  }
}
