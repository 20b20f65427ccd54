/**
 * One person of the demo: who they are, whom they know, what was said. Loaded
 * over REST when the connection is live for the first time or asks for it, and
 * kept current by events from then on.
 */

import { createClient } from './client/index.js'
import { createRest } from './client/rest.js'
import { createWire } from './wire.js'

/** How many frames the log shows. */
const LOG_ENTRIES = 60

/**
 * @typedef {object} Slot
 * @property {'left' | 'right'} key
 * @property {string} name what a new account of this side is called
 */

/** @typedef {ReturnType<typeof createPerson>} PersonModel */

/** @param {Slot} slot */
export function createPerson(slot) {
  /** @type {Set<(part: string) => void>} */
  const listeners = new Set()
  const changed = (/** @type {string[]} */ ...parts) => parts.forEach((part) => listeners.forEach((listener) => listener(part)))

  const state = {
    me: /** @type {import('./client/rest.js').Me | null} */ (null),
    friends: /** @type {any[]} */ ([]),
    requests: /** @type {any[]} */ ([]),
    conversations: /** @type {import('./client/rest.js').Conversation[]} */ ([]),
    found: /** @type {any[] | null} */ (null),
    asked: /** @type {Set<number>} */ (new Set()),
    openId: /** @type {number | null} */ (null),
    messages: /** @type {import('./client/rest.js').Message[]} */ ([]),
    arrived: /** @type {Set<number>} */ (new Set()),
    unread: 0,
    log: /** @type {import('./wire.js').LogEntry[]} */ ([]),
    isBusy: false,
    fault: '',
  }

  const wire = createWire((entry) => {
    state.log = [...state.log.slice(1 - LOG_ENTRIES), entry]
    changed('log')
  })
  const rest = createRest({ storage: localStorage, storageKey: `numeneon:demo:${slot.key}`, fetch: wire.fetch })
  const client = createClient({ getToken: rest.accessToken, storage: localStorage, share: false, WebSocket: wire.WebSocket })

  /** The sign-in that what is loaded belongs to; raised when somebody else's begins. */
  let round = 0
  /** @type {number | null} */
  let personId = null
  let isLoaded = false
  let eventsSeen = 0

  function begin() {
    const { userId } = rest
    if (userId === personId) return
    personId = userId
    round++
    isLoaded = false
    client.close({ forget: userId === null })
    Object.assign(state, { me: null, friends: [], requests: [], conversations: [], found: null, asked: new Set(), openId: null, messages: [], arrived: new Set(), unread: 0, log: [] })
    if (userId !== null) client.connect()
    changed('me', 'people', 'chat', 'log', 'status')
  }

  async function load() {
    const mine = round
    try {
      for (let seen = -1; seen !== eventsSeen; ) {
        // An event that comes while lists are under way may be in some and not in others.
        seen = eventsSeen
        const [me, friends, requests, conversations, inbox] = await Promise.all([
          rest.me(),
          rest.friends(),
          rest.friendRequests(),
          rest.conversations(),
          rest.notifications({ limit: 1 }),
        ])
        if (mine !== round) return
        Object.assign(state, { me, friends, requests, conversations, unread: inbox.unread_count })
      }
      isLoaded = true
      if (state.openId !== null) await open(state.openId)
    } catch (error) {
      // Without the lists the next live connection loads them.
      isLoaded = false
      fail(error)
    }
    changed('me', 'people', 'chat')
  }

  /** @param {unknown} error */
  function fail(error) {
    state.fault = error instanceof Error ? error.message : String(error)
    changed('fault')
  }

  /** Runs what a button does, and shows why it failed. @param {() => Promise<unknown>} act */
  async function attempt(act) {
    state.fault = ''
    changed('fault')
    try {
      await act()
      return true
    } catch (error) {
      fail(error)
      return false
    }
  }

  /** In its place, once. @param {any} message */
  function put(message) {
    state.messages = [...state.messages.filter(({ id }) => id !== message.id), message].sort((a, b) => a.id - b.id)
  }

  /** @param {number} userId */
  async function open(userId) {
    const mine = round
    state.openId = userId
    state.messages = []
    changed('chat', 'people')
    const messages = await rest.conversation(userId, { limit: 100 })
    if (mine !== round || state.openId !== userId) return
    const came = state.messages
    state.messages = messages
    came.forEach(put)
    changed('chat')
    await read(userId)
  }

  /** @param {number} userId */
  async function read(userId) {
    const conversation = state.conversations.find(({ user }) => user.id === userId)
    if (!conversation?.unread_count) return
    conversation.unread_count = 0
    changed('people')
    await rest.readConversation(userId)
  }

  /** @param {{ id: number, sender: any, receiver: any, content: string, created_at: string }} message @param {any} other */
  function bump(message, other) {
    const before = state.conversations.find(({ user }) => user.id === other.id)
    const isTheirs = message.sender.id === other.id
    const unread_count = isTheirs && state.openId !== other.id ? (before?.unread_count ?? 0) + 1 : (before?.unread_count ?? 0)
    const rest = state.conversations.filter((conversation) => conversation !== before)
    state.conversations = [{ user: before?.user ?? other, last_message: /** @type {any} */ (message), unread_count }, ...rest]
  }

  client.on('*', (_data, { seq }) => {
    eventsSeen++
    if (seq !== undefined) state.unread++
    changed('me')
  })
  client.on('resync', load)
  client.on('notifications_read', ({ unread_count }) => {
    state.unread = unread_count
    changed('me')
  })
  client.on('friend_request', ({ request_id, from_user, created_at }) => {
    state.requests = [{ id: request_id, from_user, created_at }, ...state.requests.filter(({ id }) => id !== request_id)]
    changed('people')
  })
  client.on('friend_accepted', ({ friend }) => {
    addFriend(friend)
    changed('people')
  })
  client.on('new_message', (message) => {
    const mine = { ...message, receiver: { id: state.me?.id ?? 0, username: state.me?.username ?? '' }, is_read: false, story: null }
    if (state.conversations[0]?.last_message.id !== message.id) bump(mine, state.friends.find(({ id }) => id === message.sender.id) ?? message.sender)
    if (state.openId === message.sender.id) {
      state.arrived.add(message.id)
      put(mine)
      // One request for all that is unread; it marks this one too.
      rest.readConversation(message.sender.id).catch(fail)
    }
    changed('people', 'chat')
  })
  client.subscribe(({ state: connection }) => {
    changed('status')
    if (connection === 'live' && !isLoaded) load()
  })

  /** @param {any} friend */
  function addFriend(friend) {
    state.friends = [friend, ...state.friends.filter(({ id }) => id !== friend.id)]
    state.requests = state.requests.filter(({ from_user }) => from_user.id !== friend.id)
    state.asked.delete(friend.id)
  }

  rest.subscribe(begin)

  return {
    slot,
    state,
    client,
    wire,

    get isSignedIn() {
      return personId !== null
    },

    /** Calls the listener with the name of the part that changed. @param {(part: string) => void} listener */
    subscribe: (listener) => void listeners.add(listener),

    start: begin,

    async signUp() {
      state.isBusy = true
      changed('me')
      const username = `${slot.name.toLowerCase()}-${crypto.getRandomValues(new Uint16Array(1))[0]}`
      const account = { username, email: `${username}@example.org`, password: crypto.randomUUID(), display_name: slot.name }
      await attempt(async () => {
        await rest.signUp(account)
        await rest.signIn(account)
      })
      state.isBusy = false
      changed('me')
    },

    signOut: rest.signOut,

    /** @param {string} text */
    async search(text) {
      if (!text.trim()) state.found = null
      else await attempt(async () => (state.found = (await rest.search(text.trim())).slice(0, 5)))
      changed('people')
    },

    /** @param {any} user */
    ask: (user) =>
      attempt(async () => {
        const { message } = await rest.requestFriend(user.id)
        if (/accept/i.test(message)) addFriend(user)
        else state.asked.add(user.id)
        changed('people')
      }),

    /** @param {any} request */
    accept: (request) =>
      attempt(async () => {
        addFriend((await rest.acceptFriend(request.id)).friend)
        changed('people')
      }),

    /** @param {any} request */
    decline: (request) =>
      attempt(async () => {
        await rest.declineFriend(request.id)
        state.requests = state.requests.filter(({ id }) => id !== request.id)
        changed('people')
      }),

    /** @param {number} userId */
    open: (userId) => attempt(() => open(userId)),

    closeChat() {
      state.openId = null
      changed('chat', 'people')
    },

    /** @param {string} content answers whether it was sent */
    send: (content) =>
      attempt(async () => {
        const message = await rest.sendMessage({ receiver_id: /** @type {number} */ (state.openId), content })
        put(message)
        bump(message, state.friends.find(({ id }) => id === message.receiver.id) ?? message.receiver)
        changed('chat', 'people')
      }),

    readAll: () =>
      attempt(async () => {
        const { last_seq } = await rest.notifications({ limit: 1 })
        state.unread = (await rest.readNotifications(last_seq)).unread_count
        changed('me')
      }),

    cut() {
      wire.cut()
      changed('status')
    },

    restore() {
      wire.restore()
      if (personId !== null) client.connect()
      changed('status')
    },
  }
}
