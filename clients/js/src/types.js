/**
 * The words that the whole package shares: events, frames, status, options.
 *
 * Only types; nothing here exists at run time.
 */

/**
 * @typedef {object} Person
 * @property {number} id
 * @property {string} username
 * @property {string} first_name
 * @property {string} last_name
 */

/** @typedef {{ id: number, username: string }} Brief */

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
 * @property {Brief} sender
 * @property {string} content
 * @property {string} created_at
 */

/** @typedef {{ up_to: number, unread_count: number }} NotificationsReadData */

/** @typedef {{ seq: number }} ResyncData the cursor from which events follow now */

/**
 * What each named event carries. `resync` is not an event of the inbox: it says
 * that events are missing which cannot be replayed, so what the page shows has
 * to be loaded again over REST.
 *
 * @typedef {object} Events
 * @property {FriendRequestData} friend_request
 * @property {FriendAcceptedData} friend_accepted
 * @property {NewMessageData} new_message
 * @property {NotificationsReadData} notifications_read
 * @property {ResyncData} resync
 */

/**
 * One frame as it came. Without `seq` it is neither kept nor replayed by the service.
 *
 * @template [Data=any]
 * @typedef {{ type: string, data: Data, seq?: number }} Frame
 */

/**
 * @template [Data=any]
 * @typedef {(data: Data, frame: Frame<Data>) => void} Handler
 */

/**
 * Calls the handler for each event of that type (`*` for all of them) and returns
 * the function that ends this. Handlers are called in the order of `seq`, each
 * event once.
 *
 * @typedef {{
 *   <Type extends keyof Events>(type: Type, handler: Handler<Events[Type]>): () => void
 *   <Data = any>(type: string, handler: Handler<Data>): () => void
 * }} On
 */

/**
 * - `connecting`: a token is being asked for or a socket is being opened
 * - `live`: events arrive
 * - `waiting`: the next attempt is at `nextAttemptAt`
 * - `offline`: like `waiting`, while the browser says that there is no network
 * - `refused`: the service does not take the token, or there is none; nothing
 *   further is tried until `connect()`
 * - `closed`: not connected, because nobody asked for it
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
 * @property {'alone' | 'leads' | 'follows'} tab whether this page has the socket to
 *   itself, shares its own with other tabs, or is fed by another tab
 */

/**
 * Answers the access token to use now, or null when nobody is signed in. Asked
 * anew for every connection. `refused` is the reason when the service has just
 * refused the last one: answer a fresh token then. A rejection counts as a
 * network that is away, and is tried again.
 *
 * @typedef {(ask: { refused?: string }) => string | null | undefined | Promise<string | null | undefined>} GetToken
 */

/** @typedef {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>} KeyValueStorage `localStorage`, `sessionStorage`, or alike */

/** @typedef {typeof WebSocket} SocketClass */

/**
 * The times of a connection, each in milliseconds.
 *
 * @typedef {object} Timings
 * @property {number} backoffMinMs 500: the window of the first wait; each wait is a random part of its window
 * @property {number} backoffMaxMs 20 000: windows double up to this one
 * @property {number} restartMs 1 000: the window after 1012, when the other instances are there already
 * @property {number} pauseMs 30 000: the least wait after 4029 (too many), and the window beyond it
 * @property {number} steadyMs 5 000: a connection that held this long begins again with the first window
 * @property {number} openMs 10 000: for the token, the handshake and the first frame together
 * @property {number} pingMs 25 000: silence after which the service is asked for a sign of life
 * @property {number} pongMs 5 000: without one by then the connection is dead
 * @property {number} leaderMs 3 000: a leading tab that answers nothing for so long loses its role
 */

/**
 * @typedef {object} CommonOptions
 * @property {string} [url] where the service is, such as `https://api.example.org`; the page's own origin if absent
 * @property {KeyValueStorage | null} [storage] keeps the cursor, apart for each person, so that a reload misses nothing
 * @property {number} [cursor] the last `seq` that the page has already, if it loaded the inbox over REST
 * @property {boolean} [share] one socket for all tabs of this origin, on unless false
 * @property {SocketClass} [WebSocket] where there is none, or to watch the wire
 * @property {Partial<Timings>} [timings]
 */

/**
 * `getTicket` answers a ticket of `POST /api/auth/ws-ticket/`, which travels in the address and goes before
 * the token: for proxies that do not pass subprotocols on.
 *
 * @typedef {CommonOptions & ({ getToken: GetToken, getTicket?: GetToken } | { getToken?: undefined, getTicket: GetToken })} ClientOptions
 */

/**
 * @typedef {object} Client
 * @property {Status} status
 * @property {On} on
 * @property {(listener: (status: Status) => void) => () => void} subscribe calls the
 *   listener at each change of status; returns the function that ends this
 * @property {() => void} connect connects, at once if it was waiting; also again after `close()` or a refusal
 * @property {(options?: { forget?: boolean }) => void} close ends the socket for good;
 *   with `forget` the stored cursor is dropped too, as a sign-out should
 */

export {}
