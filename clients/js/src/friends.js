/** A person's friends, and the friend requests to them. */

import { LIST } from './conversations.js'
import { idOf } from './rest-requests.js'
import { Store } from './store.js'

/** @import { Friend, FriendRequest } from './rest-types.js' */
/** @import { Screens } from './stores.js' */
/** @import { Frame } from './types.js' */

/**
 * @typedef {object} FriendsData
 * @property {Friend[]} friends the newest friendship first
 * @property {FriendRequest[]} requests to this person, the newest first
 */

/** @extends {Store<FriendsData>} */
export class Friends extends Store {
  /** @param {Screens} screens */
  constructor(screens) {
    super(screens, 'friends', { friends: [], requests: [] })
  }

  async load() {
    const paths = ['friends/', 'friends/requests/']
    const [friends, requests] = await Promise.all(paths.map((path) => this.request('GET', path, undefined, LIST)))
    return { data: { friends: friends.body, requests: requests.body }, seq: Math.min(friends.seq, requests.seq) }
  }

  /** @param {FriendsData} state @param {Frame} frame */
  apply(state, { type }) {
    // Rare, and an event has less of a person than the list.
    return ['friend_request', 'friend_accepted', 'friends_changed'].includes(type) ? null : state
  }

  /** @param {number} userId */
  ask = (userId) => this.#change('POST', 'request', userId)
  /** @param {number} requestId */
  accept = (requestId) => this.#change('POST', 'accept', requestId)
  /** @param {number} requestId */
  decline = (requestId) => this.#change('POST', 'decline', requestId)
  /** Withdraws one's own request. @param {number} userId */
  cancel = (userId) => this.#change('DELETE', 'cancel', userId)
  /** @param {number} userId */
  remove = (userId) => this.#change('DELETE', 'remove', userId)

  /** @param {string} method @param {string} action @param {number} id @returns {Promise<void>} */
  async #change(method, action, id) {
    await this.request(method, `friends/${action}/${idOf(id)}/`)
    await this.reload()
  }
}
