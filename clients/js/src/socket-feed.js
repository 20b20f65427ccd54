/**
 * The feed through a socket of this tab: every event after the cursor, in order.
 *
 * Where a number is missing on the way, the socket is opened again from before the gap; the same
 * is done for a follower that has less than this tab. Nothing here knows of other tabs.
 */

import { Connection } from './connection.js'

/** @import { ConnectionOptions } from './connection.js' */
/** @import { Position } from './position.js' */
/** @import { Frame, Status } from './types.js' */

/** @typedef {Omit<Status, 'tab'>} SocketStatus */

/**
 * @typedef {Omit<ConnectionOptions, 'address' | 'onState'> & {
 *   url: () => URL,
 *   position: Position,
 *   onJump: () => void,
 *   onStatus: () => void,
 * }} SocketFeedOptions `url` is called when it is needed: on a server there is no page to derive it from;
 *   `onJump` when the frames of the next socket will not begin after `lastSeq`
 */

export class SocketFeed {
  /** @type {SocketStatus} */
  status = { state: 'closed', reason: null, nextAttemptAt: null }
  /** The last `seq` that came through the socket, or the cursor with which it was opened. @type {number | undefined} */
  lastSeq
  /** The last `seq` of the inbox when the socket was opened. */
  inboxSeq = 0
  /** Up to where the inbox was read when the last socket was opened. @type {number | undefined} */
  #readSeq
  /** From where the next socket resumes, if not from the cursor. @type {number | undefined} */
  #resumeAt
  /** The `seq` before the gap for which the socket has been opened again once. @type {number | undefined} */
  #gapAfter
  #options
  #connection

  /** @param {SocketFeedOptions} options */
  constructor(options) {
    this.#options = options
    this.#connection = new Connection({
      ...options,
      address: () => this.#address(),
      onFrame: (frame) => this.#receive(frame),
      onState: (state, reason, nextAttemptAt) => {
        this.status = { state, reason, nextAttemptAt }
        options.onStatus()
      },
    })
  }

  connect() {
    if (this.status.state !== 'live' && this.status.state !== 'connecting') this.open()
  }

  /** Opens a socket, another one if there is one already. */
  open() {
    this.#connection.attempt()
  }

  /** Opens another socket, which resumes after that number. @param {number} seq */
  resumeFrom(seq) {
    this.#resumeAt = seq
    this.open()
  }

  wake() {
    this.#connection.wake()
  }

  stop() {
    this.#connection.stop()
  }

  /** Forgets what came for another person. */
  reset() {
    this.lastSeq = this.#resumeAt = this.#gapAfter = this.#readSeq = undefined
  }

  #address() {
    const { url, position } = this.#options
    const cursor = this.#resumeAt ?? position.cursor
    if (cursor !== this.lastSeq) this.#options.onJump()
    this.lastSeq = cursor
    this.#resumeAt = undefined
    const address = url()
    if (cursor !== undefined) address.searchParams.set('cursor', String(cursor))
    return address.href
  }

  /** @param {Frame & { [key: string]: any }} frame */
  #receive(frame) {
    const { type, seq } = frame
    if (type === 'connection_established') return this.#establish(frame)
    if (type !== 'resync_required' && seq !== undefined && this.lastSeq !== undefined) {
      if (seq <= this.lastSeq) return
      if (seq > this.lastSeq + 1 && this.#gapAfter !== this.lastSeq) {
        // The service leaves no gap; something on the way did.
        this.#gapAfter = this.lastSeq
        return this.resumeFrom(this.lastSeq)
      }
    }
    this.lastSeq = seq ?? this.lastSeq
    this.#options.onFrame(frame)
  }

  /**
   * Takes the first frame of a socket: the last number of the inbox, and up to which it is read.
   *
   * @param {{ seq?: number, [key: string]: any }} frame
   */
  #establish({ seq, read_seq }) {
    const { position, onFrame } = this.#options
    const { cursor } = position
    const isNews = read_seq !== undefined && read_seq !== this.#readSeq
    this.inboxSeq = seq ?? 0
    this.lastSeq ??= seq
    this.#readSeq = read_seq
    // A page that begins now loads this anyway.
    if (cursor === undefined) {
      if (seq !== undefined) position.move(seq)
      return
    }
    // What was read on another device while this page was away, reported as if it were happening now.
    // The events that it lacks are counted when they come.
    const data = { up_to: read_seq, unread_count: Math.max(0, cursor - read_seq) }
    if (isNews) onFrame({ type: 'notifications_read', data })
  }
}
