/** Routes of profiles, friends, messages and notifications. */

/** @import { Requests } from './rest-requests.js' */
/** @import { Person } from './types.js' */
/** @import { Conversation, Friend, FriendRequest, Inbox, Me, Message, Page, ProfileChanges, SearchHit, User } from './rest-types.js' */

/** @param {Requests} requests */
export function profileRoutes(requests) {
  return {
    /** @returns {Promise<Me>} */
    me: () => requests.get('auth/me/'),
    /** @param {ProfileChanges} changes @returns {Promise<Me>} */
    changeProfile: (changes) => requests.request('PATCH', 'auth/profile/', changes),
    /** @param {string} text @returns {Promise<SearchHit[]>} at most 20 */
    search: (text) => requests.get('auth/search/', { q: text }),
    /** @param {string} username @returns {Promise<User>} */
    user: (username) => requests.get(`auth/users/${encodeURIComponent(username)}/`),
  }
}

/** @param {Requests} requests */
export function friendRoutes(requests) {
  return {
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

/** @param {Requests} requests */
export function messageRoutes(requests) {
  return {
    /** @param {{ receiver_id: number, content: string }} message @returns {Promise<Message>} */
    sendMessage: (message) => requests.post('messages/', message),
    /** All of one's messages, oldest first; with a limit the newest page. @param {Page} [page] @returns {Promise<Message[]>} */
    messages: (page) => requests.get('messages/', page),
    /** @returns {Promise<Conversation[]>} */
    conversations: () => requests.get('messages/conversations/'),
    /** Oldest first; with a limit the newest page. @param {number} userId @param {Page} [page] @returns {Promise<Message[]>} */
    conversation: (userId, page) => requests.get(`messages/conversation/${userId}/`, page),
    /** Marks what that user wrote as read. @param {number} userId @returns {Promise<{ marked_read: number }>} */
    readConversation: (userId) => requests.post(`messages/conversation/${userId}/read/`),
    /** @param {number} messageId @returns {Promise<Message>} */
    readMessage: (messageId) => requests.request('PATCH', `messages/${messageId}/read/`),
  }
}

/** @param {Requests} requests */
export function notificationRoutes(requests) {
  return {
    /** @param {Page} [page] @returns {Promise<Inbox>} */
    notifications: (page) => requests.get('notifications/', page),
    /** @param {number} seq the last one to mark as read @returns {Promise<{ unread_count: number }>} */
    readNotifications: (seq) => requests.post('notifications/read/', { up_to: seq }),
  }
}
