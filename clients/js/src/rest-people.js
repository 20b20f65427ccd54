/** Routes of profiles and friends. */

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
    search: (text) => requests.get('auth/search/', { q: text }),
    /** @param {string} username @returns {Promise<User>} */
    user: (username) => requests.get(`auth/users/${encodeURIComponent(username)}/`),

    /** @returns {Promise<Friend[]>} */
    friends: () => requests.get('friends/'),
    /** @returns {Promise<FriendRequest[]>} to the person signed in */
    friendRequests: () => requests.get('friends/requests/'),
    /** @returns {Promise<Friend[]>} */
    suggestions: () => requests.get('friends/suggestions/'),
    /** @param {number} userId @returns {Promise<{ message: string }>} */
    requestFriend: (userId) => requests.post(`friends/request/${userId}/`),
    /** @param {number} requestId @returns {Promise<{ message: string, friend: Person }>} */
    acceptFriend: (requestId) => requests.post(`friends/accept/${requestId}/`),
    /** @param {number} requestId @returns {Promise<{ message: string }>} */
    declineFriend: (requestId) => requests.post(`friends/decline/${requestId}/`),
    /** Withdraws one's own request. @param {number} userId @returns {Promise<{ message: string }>} */
    cancelFriend: (userId) => requests.request('DELETE', `friends/cancel/${userId}/`),
    /** @param {number} userId @returns {Promise<{ message: string }>} */
    removeFriend: (userId) => requests.request('DELETE', `friends/remove/${userId}/`),
  }
}
