/** Routes of profiles and friends. */

import { idOf } from './rest-requests.js'

/** @import { Requests } from './rest-requests.js' */
/** @import { Person } from './types.js' */
/** @import { Friend, FriendRequest, Me, ProfileChanges, SearchHit, User } from './rest-types.js' */

/** @param {Requests} requests */
export function peopleRoutes(requests) {
  return {
    /** @returns {Promise<Me>} */
    me: () => requests.get('auth/me/'),
    /** @param {ProfileChanges} changes @returns {Promise<Me>} */
    changeProfile: (changes) => requests.request('PATCH', 'auth/profile/', changes),
    /** @param {string} text @returns {Promise<SearchHit[]>} at most 20 */
    search: (text) => requests.list('auth/search/', { q: text }),
    /** @param {string} username @returns {Promise<User>} */
    user: (username) => requests.get(`auth/users/${encodeURIComponent(username)}/`),

    /** @returns {Promise<Friend[]>} */
    friends: () => requests.list('friends/'),
    /** @returns {Promise<FriendRequest[]>} to the person signed in */
    friendRequests: () => requests.list('friends/requests/'),
    /** @returns {Promise<Friend[]>} */
    suggestions: () => requests.list('friends/suggestions/'),
    /** @param {number} userId @returns {Promise<{ message: string }>} */
    requestFriend: (userId) => requests.post(`friends/request/${idOf(userId)}/`),
    /** @param {number} requestId @returns {Promise<{ message: string, friend: Person }>} */
    acceptFriend: (requestId) => requests.post(`friends/accept/${idOf(requestId)}/`),
    /** @param {number} requestId @returns {Promise<{ message: string }>} */
    declineFriend: (requestId) => requests.post(`friends/decline/${idOf(requestId)}/`),
    /** Withdraws one's own request. @param {number} userId @returns {Promise<{ message: string }>} */
    cancelFriend: (userId) => requests.request('DELETE', `friends/cancel/${idOf(userId)}/`),
    /** @param {number} userId @returns {Promise<{ message: string }>} */
    removeFriend: (userId) => requests.request('DELETE', `friends/remove/${idOf(userId)}/`),
  }
}
