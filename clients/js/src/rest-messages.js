/** Routes of messages and notifications. */

/** @import { Requests } from './rest-requests.js' */
/** @import { Conversation, Inbox, Message, Page } from './rest-types.js' */

/** @param {Requests} requests */
export function messageRoutes(requests) {
  return {
    /** @param {{ receiver_id: number, content: string }} message @returns {Promise<Message>} */
    sendMessage: (message) => requests.post('messages/', message),
    /**
     * All of one's messages, oldest first; with a limit the newest page.
     *
     * @param {Page} [page]
     * @returns {Promise<Message[]>}
     */
    messages: (page) => requests.get('messages/', page),
    /** @returns {Promise<Conversation[]>} */
    conversations: () => requests.get('messages/conversations/'),
    /**
     * Oldest first; with a limit the newest page.
     *
     * @param {number} userId
     * @param {Page} [page]
     * @returns {Promise<Message[]>}
     */
    conversation: (userId, page) => requests.get(`messages/conversation/${userId}/`, page),
    /** Marks what that user wrote as read. @param {number} userId @returns {Promise<{ marked_read: number }>} */
    readConversation: (userId) => requests.post(`messages/conversation/${userId}/read/`),
    /** @param {number} messageId @returns {Promise<Message>} */
    readMessage: (messageId) => requests.request('PATCH', `messages/${messageId}/read/`),

    /** @param {Page} [page] @returns {Promise<Inbox>} */
    notifications: (page) => requests.get('notifications/', page),
    /** @param {number} seq the last one to mark as read @returns {Promise<{ unread_count: number }>} */
    readNotifications: (seq) => requests.post('notifications/read/', { up_to: seq }),
  }
}
