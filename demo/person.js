/**
 * One person of the demo: a REST client, a socket client and a model of what they show, for
 * whoever is signed in on that side of the page.
 */

import { accountActions, chatActions, friendActions } from './actions.js'
import { createClient } from './client/index.js'
import { createRest } from './client/rest.js'
import { createConversations } from './conversation.js'
import { applyEvents } from './events.js'
import { createLoader } from './loading.js'
import { createModel } from './model.js'
import { Network } from './network.js'

/**
 * @typedef {object} Slot
 * @property {'left' | 'right'} key
 * @property {string} name of a new account on this side
 */

/** @typedef {ReturnType<typeof createPerson>} Person */

/** @param {Slot} slot */
export function createPerson(slot) {
  const model = createModel()
  const network = new Network(model.log)
  const { fetch, WebSocket } = network
  const rest = createRest({ storage: 'local', storageKey: `numeneon:demo:${slot.key}`, fetch })
  const client = createClient({ getToken: rest.accessToken, storage: 'local', share: false, WebSocket })
  const conversations = createConversations(model, rest)
  const loader = createLoader(model, rest, conversations)
  /** @type {number | null} */
  let userId = null

  /** Shows whoever is signed in now. */
  function start() {
    if (rest.userId === userId) return
    userId = rest.userId
    loader.isLoaded = false
    client.close({ forget: userId === null })
    model.reset()
    if (userId !== null) client.connect()
    model.changed('me', 'people', 'chat', 'log', 'status')
  }

  client.on('*', () => void loader.eventCount++)
  client.on('resync', () => loader.load())
  applyEvents(client, model, rest, conversations)
  client.subscribe(({ state }) => {
    model.changed('status')
    if (state === 'live' && !loader.isLoaded) loader.load()
  })
  rest.subscribe(start)

  return {
    slot,
    client,
    network,
    start,
    state: model.state,
    subscribe: model.subscribe,
    ...accountActions(model, rest, slot.name),
    ...friendActions(model, rest),
    ...chatActions(model, rest, conversations),

    get isSignedIn() {
      return userId !== null
    },

    disconnect() {
      network.disconnect()
      model.changed('status')
    },

    reconnect() {
      network.reconnect()
      if (userId !== null) client.connect()
      model.changed('status')
    },
  }
}
