/**
 * Live events of a Numeneon service, in a browser.
 *
 * From the page to the network:
 *
 * - `client.js` is what a page holds; `dispatcher.js` calls its handlers, `position.js` keeps the
 *   cursor, `page.js` watches for hints, `listeners.js` holds callbacks
 * - `feed.js` decides whether this tab has a socket (`socket-feed.js`), passes its frames on to
 *   other tabs (`leader.js`), or takes them from another tab (`follower.js`); `tabs.js` elects the leader
 * - `connection.js` keeps the socket open, `backoff.js` determines how long to wait and
 *   `time-limit.js` for how long, `token.js` reads claims, `storage.js` survives a forbidden storage
 *
 * Beside it: `rest.js` has the routes (`rest-*.js`) and the `session.js`; `stores.js` has a `store.js`
 * for each screen (`conversations.js`, `messages.js`, `friends.js`, `inbox.js`) and the `outbox.js`;
 * `react.js` has the hooks, with `own-sign-in.js` for apps without this package's session.
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
/** @typedef {import('./types.js').UserSummary} UserSummary */
/**
 * @template [Data=any]
 * @typedef {import('./types.js').Frame<Data>} Frame
 */
