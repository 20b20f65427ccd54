/**
 * The types of what the routes of the service take and return. Nothing here exists at run time.
 *
 * @import { UserSummary, Person } from './types.js'
 */

/** @typedef {Person & { email: string, date_joined: string, profile_picture: string | null }} NestedUser */

/**
 * @typedef {object} Profile
 * @property {number} id of the profile, not of the user
 * @property {NestedUser} user
 * @property {string} bio
 * @property {string | null} avatar
 * @property {string} location
 * @property {string} website
 * @property {string} created_at
 * @property {string} updated_at
 */

/** @typedef {NestedUser & { profile: Profile }} Me */
/** @typedef {Person & { email: string, profile_picture: string | null }} User `email` is empty except for the viewer */
/** @typedef {Person & { avatar?: string, profile_picture: string | null }} SearchHit */
/** @typedef {Person & { profile_picture: string | null }} Friend */
/** @typedef {{ id: number, from_user: Person, created_at: string }} FriendRequest */

/**
 * @typedef {object} Message
 * @property {number} id
 * @property {UserSummary} sender
 * @property {UserSummary} receiver
 * @property {string} content
 * @property {boolean} is_read
 * @property {string} created_at
 * @property {null} story
 */

/** @typedef {{ user: Person, last_message: Message, unread_count: number }} Conversation */

/**
 * @typedef {object} Notification
 * @property {number} seq
 * @property {string} type
 * @property {any} data as in the event of that type
 * @property {string} created_at
 * @property {boolean} is_read
 */

/** @typedef {{ unread_count: number, last_seq: number, results: Notification[] }} Inbox newest first */

/**
 * `limit` is 1 to 200; `before` is the id (of notifications: the `seq`) where the
 * last page ended. A page shorter than its limit is the last one.
 *
 * @typedef {{ limit?: number, before?: number }} Page
 */

/** @typedef {{ username: string, email: string, password: string, display_name?: string }} SignUp */

/**
 * Null clears a field.
 *
 * @typedef {{ bio?: string | null, location?: string | null, website?: string | null, avatar?: string | null }}
 *   ProfileChanges
 */

/** The tokens of a session. @typedef {{ access: string, refresh: string }} Tokens */

export {}
