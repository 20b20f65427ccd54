/**
 * A connection is a socket that is kept open: it is opened anew whenever it
 * ends, until somebody stops it or the service refuses the person.
 *
 * It asks for a token for every socket, notices a dead one by a missing answer,
 * and waits with jitter in between, without an upper number of attempts. It does
 * not know what frames mean, and does not drop repeats: that is the client's part.
 */

import { backoffMs, jitterMs } from './backoff.js'

/** @import { ConnectionState, Frame, GetToken, SocketClass, Timings } from './types.js' */

/** A refusal that no other token of the same person can mend. */
const FINAL = ['token missing', 'user not found', 'user inactive']
const REFUSED = 4001
const RESTARTING = 1012
const TOO_MANY = 4029

/**
 * @typedef {object} Parts
 * @property {GetToken} getToken
 * @property {boolean} usesTickets whether what `getToken` answers goes into the address instead of a subprotocol
 * @property {(token: string) => boolean | Promise<boolean>} admit whether to open a socket with this token;
 *   if not, nothing happens until `attempt()`
 * @property {() => string} address asked for every socket, with the cursor of that moment
 * @property {(frame: Frame & { [key: string]: any }) => void} onFrame every frame but `pong`
 * @property {(state: ConnectionState, reason: string | null, nextAttemptAt: number | null) => void} onState
 * @property {SocketClass} WebSocket
 * @property {Timings} timings
 */

/** @param {Parts} parts */
export function createConnection({ getToken, usesTickets, admit, address, onFrame, onState, WebSocket, timings }) {
  /** Raised whenever what is under way stops counting, such as a token asked for before `stop()`. */
  let round = 0
  let attempts = 0
  let liveAt = 0
  let startedAt = 0
  /** Before then no hint makes an attempt: the service has asked for a pause. */
  let pausedUntil = 0
  /** @type {ConnectionState} */
  let state = 'closed'
  /** @type {string | null} */
  let reason = null
  /** @type {number | null} */
  let nextAttemptAt = null
  /** @type {WebSocket | undefined} */
  let socket
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  /** The refusal that the next token has to answer, and the token that met it. @type {string | undefined} */
  let refusal
  /** @type {string | undefined} */
  let refusedToken

  /** There is one timer: for the opening, for the next ping, for its answer, or for the next attempt. */
  const arm = (/** @type {number} */ ms, /** @type {() => void} */ then) => {
    clearTimeout(timer)
    timer = setTimeout(then, ms)
  }

  const tell = (/** @type {ConnectionState} */ next, /** @type {number | null} */ at = null) => {
    state = next
    nextAttemptAt = at
    onState(state, reason, nextAttemptAt)
  }

  /** Lets go of the socket without waiting for its end: a dead one would take its time. */
  function drop() {
    round++
    clearTimeout(timer)
    const dropped = socket
    socket = undefined
    dropped?.close(1000)
  }

  /** @param {ConnectionState} next @param {string | null} why */
  function end(next, why) {
    drop()
    refusal = refusedToken = undefined
    attempts = liveAt = pausedUntil = 0
    reason = why
    tell(next)
  }

  /** @param {string} why @param {number} [windowMs] @param {number} [leastMs] */
  function wait(why, windowMs, leastMs = 0) {
    drop()
    // Only a connection that held counts as success. If an opened socket did,
    // a service that opens and closes at once would be asked without a pause.
    if (liveAt && Date.now() - liveAt >= timings.steadyMs) attempts = 0
    liveAt = 0
    const delay = leastMs + (windowMs !== undefined && (leastMs || !attempts) ? jitterMs(windowMs) : backoffMs(attempts, timings))
    attempts++
    pausedUntil = Date.now() + leastMs
    reason = why
    arm(delay, attempt)
    tell(networkIsAway() ? 'offline' : 'waiting', Date.now() + delay)
  }

  async function attempt() {
    drop()
    const mine = round
    startedAt = Date.now()
    arm(timings.openMs, () => wait('no answer'))
    tell('connecting')
    if (mine !== round) return
    try {
      const token = await getToken(refusal ? { refused: refusal } : {})
      if (mine !== round) return
      if (!token) return end('refused', refusal ?? 'token missing')
      if (token === refusedToken) return end('refused', refusal ?? null)
      const admitted = await admit(token)
      if (mine !== round) return
      if (admitted) open(token)
      else clearTimeout(timer)
    } catch (error) {
      if (mine === round) wait(error instanceof Error ? error.message : String(error))
    }
  }

  /** @param {string} token */
  function open(token) {
    /** @type {WebSocket} */
    let opened
    try {
      // As a subprotocol the token is in no URL, so in no log and no history. A ticket may be: it is used up.
      const url = new URL(address())
      if (usesTickets) url.searchParams.set('ticket', token)
      opened = new WebSocket(url.href, usesTickets ? ['numeneon.v1'] : ['numeneon.v1', `bearer.${token}`])
    } catch (error) {
      // An address or a token that no attempt can send.
      return end('refused', String(error))
    }
    socket = opened
    opened.onmessage = ({ data }) => opened === socket && receive(data)
    opened.onclose = ({ code, reason }) => opened === socket && closed(code, reason, token)
  }

  /** @param {string} text */
  function receive(text) {
    let frame
    try {
      frame = JSON.parse(text)
    } catch {
      return
    }
    arm(timings.pingMs, probe)
    if (typeof frame?.type !== 'string' || frame.type === 'pong') return
    onFrame(frame)
    // A handler may have closed the client.
    if (frame.type !== 'connection_established' || !socket) return
    liveAt = Date.now()
    refusal = refusedToken = undefined
    reason = null
    tell('live')
  }

  /** @param {number} code @param {string} why @param {string} token */
  function closed(code, why, token) {
    socket = undefined
    if (code === TOO_MANY) return wait(why || 'too many', timings.pauseMs, timings.pauseMs)
    if (code !== REFUSED) return wait(why || `closed with ${code}`, code === RESTARTING ? timings.restartMs : undefined)
    if (refusal || FINAL.includes(why)) return end('refused', why)
    refusal = reason = why || 'refused'
    refusedToken = token
    // One other token at once. If the service had taken this one for a moment,
    // there must be a pause, or the two could go round in a circle.
    if (liveAt) wait(refusal)
    else attempt()
  }

  function probe() {
    if (socket?.readyState !== 1) return wait('no answer')
    socket.send('{"type":"ping"}')
    arm(timings.pongMs, () => wait('no answer'))
  }

  return {
    attempt,
    stop: () => end('closed', null),
    /** Takes a hint that the network went or came, or that the page is looked at again. */
    wake() {
      const isWaiting = state === 'waiting' || state === 'offline'
      if (state === 'live') probe()
      else if (isWaiting && networkIsAway()) tell('offline', nextAttemptAt)
      else if (isWaiting && Date.now() < pausedUntil) tell('waiting', nextAttemptAt)
      // An attempt that began on the old network may hang until its time is up.
      else if (isWaiting || (state === 'connecting' && socket && Date.now() - startedAt > 2000)) attempt()
    },
  }
}

function networkIsAway() {
  return globalThis.navigator?.onLine === false
}
