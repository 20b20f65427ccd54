/**
 * The types that the whole package shares: events, frames, status, options.
 *
 * Nothing here exists at run time.
 */

/**
 * @typedef {object} Person
 * @property {number} id
 * @property {string} username
 * @property {string} first_name
 * @property {string} last_name
 */

/** @typedef {{ id: number, username: string }} UserSummary */

/**
 * @typedef {object} FriendRequestData
 * @property {number} request_id
 * @property {Person} from_user
 * @property {string} created_at
 */

/** @typedef {{ friend: Person }} FriendAcceptedData who accepted */

/**
 * @typedef {object} NewMessageData
 * @property {number} id
 * @property {UserSummary} sender
 * @property {string} content
 * @property {string} created_at
 */

/** @typedef {{ up_to: number, unread_count: number }} NotificationsReadData */

/**
 * A message that this person has sent, on some device, as a list has it.
 *
 * @typedef {import('./rest-types.js').Message} MessageSentData
 */

/**
 * Messages between this person and another one were read, by either: those of the sender up to a message, or one
 * alone where `up_to` is null.
 *
 * @typedef {{ sender_id: number, reader_id: number, up_to: number | null }} MessagesReadData
 */

/** @typedef {{ user_id: number }} FriendsChangedData whom the lists of friends and requests are to be loaded for */

/** @typedef {{ seq: number }} ResyncData the cursor after which events follow now */

/**
 * The data of each named event. `resync` is not an event of the inbox: it means that events are
 * missing which cannot be replayed, so what the page shows has to be loaded again over REST.
 *
 * @typedef {object} Events
 * @property {FriendRequestData} friend_request
 * @property {FriendAcceptedData} friend_accepted
 * @property {NewMessageData} new_message
 * @property {NotificationsReadData} notifications_read
 * @property {MessageSentData} message_sent
 * @property {MessagesReadData} messages_read
 * @property {FriendsChangedData} friends_changed
 * @property {ResyncData} resync
 */

/**
 * One frame as it was received. One without `seq` is neither stored nor replayed by the service.
 *
 * @template [Data=any]
 * @typedef {{ type: string, data: Data, seq?: number }} Frame
 */

/**
 * @template [Data=any]
 * @typedef {(data: Data, frame: Frame<Data>) => void} Handler
 */

/**
 * Calls the handler for each event of that type (`*` for all of them) and returns the function that
 * removes it. Handlers are called in the order of `seq`, once for each event.
 *
 * @typedef {{
 *   <Type extends keyof Events>(type: Type, handler: Handler<Events[Type]>): () => void
 *   <Data = any>(type: string, handler: Handler<Data>): () => void
 * }} On
 */

/**
 * - `connecting`: a token is being requested or a socket is being opened
 * - `live`: events arrive
 * - `waiting`: the next attempt is at `nextAttemptAt`
 * - `offline`: like `waiting`, while the browser reports that there is no network
 * - `refused`: the service does not accept the token, or there is none; there is no further attempt
 *   until `connect()`
 * - `closed`: `connect()` has not been called, or `close()` has
 *
 * @typedef {'connecting' | 'live' | 'waiting' | 'offline' | 'refused' | 'closed'} ConnectionState
 */

/**
 * Never changed in place: a new status is a new object.
 *
 * @typedef {object} Status
 * @property {ConnectionState} state
 * @property {number | null} nextAttemptAt milliseconds since 1970, in `waiting` and `offline`
 * @property {string | null} reason why the last socket ended, or why there is none
 * @property {'alone' | 'leads' | 'follows'} tab whether this page has a socket for itself, has one
 *   that it shares with other tabs, or gets events from another tab
 */

/**
 * Returns the access token to use now, or null when nobody is signed in. Called for every attempt to
 * connect. `refused` is the reason when the service has just refused the last token: return a fresh
 * one then. If the promise rejects, the attempt counts as failed and is repeated later.
 *
 * @typedef {(request: { refused?: string }) => string | null | undefined | Promise<string | null | undefined>} GetToken
 */

/** @typedef {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>} KeyValueStorage such as `localStorage` */

/**
 * A storage, or the name of one of the browser: a page that reads `localStorage` itself fails where
 * that is forbidden, and on a server.
 *
 * @typedef {'local' | 'session' | KeyValueStorage} StorageChoice
 */

/** @typedef {typeof WebSocket} SocketClass */

/**
 * The durations that a connection uses, in milliseconds, with their defaults.
 *
 * @typedef {object} Timings
 * @property {number} backoffMinMs 500: the window of the first wait; each wait is a random part of its window
 * @property {number} backoffMaxMs 20 000: windows double up to this one
 * @property {number} restartMs 1 000: the first window after close code 1012 (restart): other instances are up already
 * @property {number} pauseMs 30 000: the minimum wait after close code 4029 (too many), and the window beyond it
 * @property {number} steadyMs 5 000: after a connection that lasted this long, waits begin again with the first window
 * @property {number} openMs 10 000: for the token, the handshake and the first frame together
 * @property {number} pingMs 25 000: after this long without a frame a `ping` is sent
 * @property {number} pongMs 5 000: after this long without a frame since the `ping` the connection is dead
 * @property {number} leaderMs 3 000: a leading tab that does not respond for this long loses its role
 */

/**
 * How requests are timed and repeated, with the defaults.
 *
 * @typedef {object} RestTimings
 * @property {number} requestMs 10 000: how long a request may take at first; it doubles whenever that was too short,
 *   up to 60 s
 * @property {number} attempts 4: how often a request is made that does not reach the service, or that it cannot do now
 * @property {number} backoffMinMs 500: the window of the first wait between them
 * @property {number} backoffMaxMs 4 000: windows double up to this one
 */

/**
 * @typedef {object} CommonOptions
 * @property {string} [url] of the service, such as `https://api.example.org`; the page's own origin if absent
 * @property {StorageChoice | null} [storage] keeps the cursor of each person, so that a reload misses no event
 * @property {number} [cursor] the last `seq` that the page has, if it loaded the inbox over REST
 * @property {boolean} [share] one socket for all tabs of this origin; true if absent
 * @property {SocketClass} [WebSocket] where there is no global one, or to observe the frames
 * @property {Partial<Timings>} [timings]
 */

/**
 * `getTicket` returns a ticket of `POST /api/auth/ws-ticket/`, which is sent in the address, and takes
 * precedence over `getToken`: for proxies that do not forward subprotocols.
 *
 * @typedef {CommonOptions & (
 *   { getToken: GetToken, getTicket?: GetToken } | { getToken?: undefined, getTicket: GetToken }
 * )} ClientOptions
 */

/**
 * @typedef {object} Client
 * @property {Status} status
 * @property {On} on
 * @property {(listener: (status: Status) => void) => () => void} subscribe calls the
 *   listener at each change of status; returns the function that removes it
 * @property {() => void} connect connects, at once if it was waiting; also again after `close()` or a refusal
 * @property {(options?: { forget?: boolean }) => void} close closes the socket and makes no further attempt;
 *   with `forget` the stored cursor is deleted too, as it should be at a sign-out
 */

export {}
