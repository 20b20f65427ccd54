/**
 * Live events of a Numeneon service, in a browser.
 *
 * From the face to the wire: `client.js` hands events out, `feed.js` gets them
 * through an own socket or from another tab, `tabs.js` elects the one that has
 * it, `connection.js` keeps that socket open, `backoff.js` says when to try
 * again, `position.js` remembers how far the page has come.
 */

export { createClient } from './client.js'

/** @typedef {import('./types.js').Client} Client */
/** @typedef {import('./types.js').ClientOptions} ClientOptions */
/** @typedef {import('./types.js').ConnectionState} ConnectionState */
/** @typedef {import('./types.js').Events} Events */
/** @typedef {import('./types.js').GetToken} GetToken */
/** @typedef {import('./types.js').Status} Status */
/** @typedef {import('./types.js').Timings} Timings */
/** @typedef {import('./types.js').FriendRequestData} FriendRequestData */
/** @typedef {import('./types.js').FriendAcceptedData} FriendAcceptedData */
/** @typedef {import('./types.js').NewMessageData} NewMessageData */
/** @typedef {import('./types.js').NotificationsReadData} NotificationsReadData */
/** @typedef {import('./types.js').Person} Person */
/** @typedef {import('./types.js').Brief} Brief */
/**
 * @template [Data=any]
 * @typedef {import('./types.js').Frame<Data>} Frame
 */
