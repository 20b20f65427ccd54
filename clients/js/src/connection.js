/**
 * A connection is a socket that is kept open: it is opened again whenever it ends, until `stop()`
 * is called or the service refuses the person.
 *
 * It requests a token for every socket, notices a dead socket by a missing `pong`, and waits with
 * jitter between attempts, without an upper number of attempts. It knows neither what frames mean
 * nor which of them are repeats.
 */

import { backoffMs, jitterMs } from './backoff.js'
import { isOffline } from './page.js'
import { TimeLimit } from './time-limit.js'

/** @import { ConnectionState, Frame, GetToken, SocketClass, Timings } from './types.js' */

/** Reasons of a refusal for which no other token of the same person would be accepted. */
const FINAL_REASONS = ['token missing', 'user not found', 'user inactive']

/** The close codes of the service to which the connection does not respond as to any other loss. */
const CLOSE_CODE = { restart: 1012, unauthorized: 4001, tooMany: 4029 }

/**
 * How often in a row a token may be refused that was just issued. An instance whose clock is behind
 * refuses it for a moment; a service that refuses more of them means it.
 */
const MAX_REFUSALS = 5

/** An attempt older than this may hang on a network that is gone; a hint then begins another one. */
const HANGING_MS = 2000

/**
 * How long a page that was away waits for a `pong` at least, before it opens another socket: it is
 * to be current within 2 s. On a slow line it waits longer, by what the last socket took to open.
 */
const QUICK_PONG_MS = 1000

/**
 * @typedef {object} ConnectionOptions
 * @property {GetToken} getToken
 * @property {boolean} usesTickets whether what `getToken` returns goes into the address instead of a subprotocol
 * @property {(token: string) => boolean | Promise<boolean>} admit whether to open a socket with this token;
 *   if not, nothing happens until `attempt()`
 * @property {() => string} address called for every socket, with the cursor of that moment
 * @property {(frame: Frame & { [key: string]: any }) => void} onFrame every frame but `pong`
 * @property {(state: ConnectionState, reason: string | null, nextAttemptAt: number | null) => void} onState
 * @property {SocketClass} WebSocket
 * @property {Timings} timings
 */

export class Connection {
  /** @type {ConnectionOptions} */
  #options
  /** Increased when work in progress becomes stale, such as a token requested before `stop()`. */
  #generation = 0
  #attempts = 0
  #liveAt = 0
  #startedAt = 0
  /** No hint makes an attempt before this time: the service has required a pause. */
  #pausedUntil = 0
  /** @type {ConnectionState} */
  #state = 'closed'
  /** @type {string | null} */
  #reason = null
  /** @type {number | null} */
  #nextAttemptAt = null
  /** @type {WebSocket | undefined} */
  #socket
  /**
   * The only timer: for the opening, the next ping, its pong, or the next attempt.
   *
   * @type {ReturnType<typeof setTimeout> | undefined}
   */
  #timer
  /** Why the last token was refused, until another one is accepted. @type {string | undefined} */
  #refusal
  /** How many tokens were refused since one was accepted. */
  #refusals = 0
  /** @type {string | undefined} */
  #refusedToken
  /** When the `ping` was sent to which no frame has come yet. @type {number | undefined} */
  #pingedAt
  #openLimit
  #pongLimit
  /** How long the last socket took to open. */
  #openedInMs = 0

  /** @param {ConnectionOptions} options */
  constructor(options) {
    this.#options = options
    this.#openLimit = new TimeLimit(options.timings.openMs)
    this.#pongLimit = new TimeLimit(options.timings.pongMs)
  }

  async attempt() {
    const { getToken, admit } = this.#options
    this.#drop()
    const generation = this.#generation
    this.#startedAt = Date.now()
    const limitMs = this.#openLimit.ms
    this.#arm(limitMs, () => {
      this.#openLimit.wasTooShort(limitMs)
      this.#retry('no answer')
    })
    this.#enter('connecting')
    if (generation !== this.#generation) return
    try {
      // Once; a token that was refused though it was new may be accepted a little later.
      const token = await getToken(this.#refusal && this.#refusals === 1 ? { refused: this.#refusal } : {})
      if (generation !== this.#generation) return
      if (!token) return this.#end('refused', this.#refusal ?? 'token missing')
      if (token === this.#refusedToken) return this.#end('refused', this.#refusal ?? null)
      const isAdmitted = await admit(token)
      if (generation !== this.#generation) return
      if (isAdmitted) this.#open(token)
      else clearTimeout(this.#timer)
    } catch (error) {
      if (generation === this.#generation) this.#retry(error instanceof Error ? error.message : String(error))
    }
  }

  stop() {
    this.#end('closed', null)
  }

  /** Takes the hint that the network went or came, or that the page became visible. */
  wake() {
    const isWaiting = this.#state === 'waiting' || this.#state === 'offline'
    const hangingMs = Math.max(HANGING_MS, 2 * this.#openedInMs)
    const isHanging = this.#state === 'connecting' && this.#socket && Date.now() - this.#startedAt > hangingMs
    if (this.#state === 'live') this.#check()
    else if (isWaiting && isOffline()) this.#enter('offline', this.#nextAttemptAt)
    else if (isWaiting && Date.now() < this.#pausedUntil) this.#enter('waiting', this.#nextAttemptAt)
    else if (isWaiting || isHanging) this.attempt()
  }

  /** @param {string} token */
  #open(token) {
    const { address, usesTickets, WebSocket } = this.#options
    /** @type {WebSocket} */
    let socket
    try {
      // As a subprotocol the token is in no URL, so in no log and no history. A ticket may be: it is valid once.
      const url = new URL(address())
      if (usesTickets) url.searchParams.set('ticket', token)
      socket = new WebSocket(url.href, usesTickets ? ['numeneon.v1'] : ['numeneon.v1', `bearer.${token}`])
    } catch (error) {
      // An address or a token that no attempt can send.
      return this.#end('refused', String(error))
    }
    this.#socket = socket
    socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(data)
    socket.onclose = ({ code, reason }) => socket === this.#socket && this.#closed(code, reason, token)
  }

  /** @param {string} text */
  #receive(text) {
    let frame
    try {
      frame = JSON.parse(text)
    } catch {
      return
    }
    if (this.#pingedAt) this.#pongLimit.wasEnough(Date.now() - this.#pingedAt)
    this.#pingedAt = undefined
    this.#arm(this.#options.timings.pingMs, () => this.#ping())
    if (typeof frame?.type !== 'string' || frame.type === 'pong') return
    this.#options.onFrame(frame)
    // A handler may have closed the client.
    if (frame.type !== 'connection_established' || !this.#socket) return
    this.#liveAt = Date.now()
    this.#openedInMs = this.#liveAt - this.#startedAt
    this.#openLimit.wasEnough(this.#openedInMs)
    this.#refusal = this.#refusedToken = undefined
    this.#refusals = 0
    this.#reason = null
    this.#enter('live')
  }

  /** @param {number} code @param {string} reason @param {string} token */
  #closed(code, reason, token) {
    const { pauseMs, restartMs } = this.#options.timings
    this.#socket = undefined
    if (code === CLOSE_CODE.tooMany) return this.#retry(reason || 'too many', pauseMs, pauseMs)
    if (code === CLOSE_CODE.restart) return this.#retry(reason || `closed with ${code}`, restartMs)
    if (code !== CLOSE_CODE.unauthorized) return this.#retry(reason || `closed with ${code}`)
    if (FINAL_REASONS.includes(reason) || ++this.#refusals >= MAX_REFUSALS) return this.#end('refused', reason)
    this.#refusal = this.#reason = reason || 'refused'
    this.#refusedToken = this.#refusals === 1 ? token : undefined
    if (this.#refusals > 1) return this.#retry(this.#refusal)
    // One other token at once. If the service had accepted this one for a moment, there must be a
    // pause, or the two could go round in a circle.
    if (this.#liveAt) this.#retry(this.#refusal)
    else this.attempt()
  }

  #ping() {
    const limitMs = this.#pongLimit.ms
    this.#sendPing(limitMs, () => {
      this.#pongLimit.wasTooShort(limitMs)
      this.#retry('no answer')
    })
  }

  /** Makes sure quickly that the socket still works, and opens another one if it does not. */
  #check() {
    const limitMs = Math.min(Math.max(QUICK_PONG_MS, 4 * this.#openedInMs), this.#pongLimit.ms)
    this.#sendPing(limitMs, () => this.attempt())
  }

  /** @param {number} limitMs @param {() => void} onSilence */
  #sendPing(limitMs, onSilence) {
    if (this.#socket?.readyState !== 1) return onSilence()
    this.#socket.send('{"type":"ping"}')
    this.#pingedAt ??= Date.now()
    this.#arm(limitMs, onSilence)
  }

  /**
   * Waits for the next attempt.
   *
   * @param {string} reason
   * @param {number} [windowMs] of the first wait, or of each if there is a least one; doubling windows otherwise
   * @param {number} [minMs]
   */
  #retry(reason, windowMs, minMs = 0) {
    const { timings } = this.#options
    this.#drop()
    // Only a connection that lasted counts as success. If a socket that merely opened did, a service
    // that opens and closes at once would get attempts without a pause.
    if (this.#liveAt && Date.now() - this.#liveAt >= timings.steadyMs) this.#attempts = 0
    this.#liveAt = 0
    const hasOwnWindow = windowMs !== undefined && (minMs || !this.#attempts)
    const delay = minMs + (hasOwnWindow ? jitterMs(windowMs) : backoffMs(this.#attempts, timings))
    this.#attempts++
    this.#pausedUntil = Date.now() + minMs
    this.#reason = reason
    this.#arm(delay, () => this.attempt())
    this.#enter(isOffline() ? 'offline' : 'waiting', Date.now() + delay)
  }

  /** @param {ConnectionState} state @param {string | null} reason */
  #end(state, reason) {
    this.#drop()
    this.#refusal = this.#refusedToken = undefined
    this.#refusals = 0
    this.#attempts = this.#liveAt = this.#pausedUntil = 0
    this.#reason = reason
    this.#enter(state)
  }

  /** Closes the socket without waiting until it is closed, which can take long for a dead one. */
  #drop() {
    this.#generation++
    this.#pingedAt = undefined
    clearTimeout(this.#timer)
    const socket = this.#socket
    this.#socket = undefined
    socket?.close(1000)
  }

  /** @param {ConnectionState} state @param {number | null} [nextAttemptAt] */
  #enter(state, nextAttemptAt = null) {
    this.#state = state
    this.#nextAttemptAt = nextAttemptAt
    this.#options.onState(state, this.#reason, nextAttemptAt)
  }

  /** @param {number} ms @param {() => void} onElapsed */
  #arm(ms, onElapsed) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(onElapsed, ms)
  }
}
