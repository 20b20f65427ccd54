/** Routes of messages and notifications. */

import { idOf } from './rest-requests.js'

/** @import { Requests } from './rest-requests.js' */
/** @import { Conversation, Inbox, Message, Page } from './rest-types.js' */

/** @param {Requests} requests */
export function messageRoutes(requests) {
  return {
    /**
     * Sends a message, once however often it is called with the same key within a day.
     *
     * @param {{ receiver_id: number, content: string }} message
     * @param {{ key?: string }} [options]
     * @returns {Promise<Message>}
     */
    sendMessage: (message, options) => requests.request('POST', 'messages/', message, options),
    /**
     * All of one's messages, oldest first; with a limit the newest page.
     *
     * @param {Page} [page]
     * @returns {Promise<Message[]>}
     */
    messages: (page) => requests.list('messages/', page),
    /** @returns {Promise<Conversation[]>} */
    conversations: () => requests.list('messages/conversations/'),
    /**
     * Oldest first; with a limit the newest page.
     *
     * @param {number} userId
     * @param {Page} [page]
     * @returns {Promise<Message[]>}
     */
    conversation: (userId, page) => requests.list(`messages/conversation/${idOf(userId)}/`, page),
    /** Marks what that user wrote as read. @param {number} userId @returns {Promise<{ marked_read: number }>} */
    readConversation: (userId) => requests.post(`messages/conversation/${idOf(userId)}/read/`),
    /** @param {number} messageId @returns {Promise<Message>} */
    readMessage: (messageId) => requests.request('PATCH', `messages/${idOf(messageId)}/read/`),

    /** @param {Page} [page] @returns {Promise<Inbox>} */
    notifications: (page) => requests.get('notifications/', page),
    /** @param {number} seq the last one to mark as read @returns {Promise<{ unread_count: number }>} */
    readNotifications: (seq) => requests.post('notifications/read/', { up_to: seq }),
  }
}
