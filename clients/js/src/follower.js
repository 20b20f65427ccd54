/**
 * A follower is a tab without a socket: it takes frames and status from the leader, and requests
 * what it lacks.
 *
 * A leader that does not respond in time loses its role.
 */

/** @import { Position } from './position.js' */
/** @import { SocketStatus } from './socket-feed.js' */
/** @import { Tabs } from './tabs.js' */
/** @import { Frame, Status, Timings } from './types.js' */

/** How much later than the leader's own attempt this tab requests one. */
const LATE_MS = 1000

/**
 * @typedef {object} FollowerOptions
 * @property {Position} position
 * @property {Timings} timings
 * @property {(frame: Frame) => void} onFrame
 * @property {(status: Status) => void} onStatus
 */

export class Follower {
  /** For the leader's response, or for the leader's next attempt. @type {ReturnType<typeof setTimeout> | undefined} */
  #timer
  /** The cursor before the gap that has been requested once. @type {number | undefined} */
  #gapAfter
  #tabs
  #options

  /**
   * @param {Tabs} tabs
   * @param {FollowerOptions} options
   */
  constructor(tabs, options) {
    this.#tabs = tabs
    this.#options = options
  }

  /** Begins to follow. */
  start() {
    this.#options.onStatus({ state: 'connecting', reason: null, nextAttemptAt: null, tab: 'follows' })
    this.request()
  }

  /**
   * Requests what this tab lacks from the leader.
   *
   * @param {{ wake?: boolean }} [options] with `wake` also that the leader tries to connect now
   */
  request({ wake } = {}) {
    const { position, timings } = this.#options
    this.#tabs.post({ cursor: position.cursor ?? null, wake })
    this.#arm(timings.leaderMs, () => this.#tabs.steal())
  }

  /** Takes a frame from the leader. @param {Frame} frame */
  receive(frame) {
    const { seq } = frame
    const { cursor } = this.#options.position
    this.stop()
    if (seq !== undefined && frame.type !== 'resync_required') {
      // Before the leader has sent its position, every event is from before this tab came.
      if (cursor === undefined) return
      if (seq > cursor + 1) {
        if (this.#gapAfter === cursor) return
        this.#gapAfter = cursor
        return this.request()
      }
    }
    this.#options.onFrame(frame)
  }

  /** Takes the leader's status. @param {SocketStatus} status @param {number} [seq] after which its frames come */
  receiveStatus(status, seq) {
    const { position, onStatus } = this.#options
    this.stop()
    if (seq !== undefined) {
      if (position.cursor === undefined) position.move(seq)
      else if (seq > position.cursor) this.request()
    }
    // The timers of a hidden leader are slow; those of a visible page are not.
    if (status.nextAttemptAt) {
      this.#arm(status.nextAttemptAt - Date.now() + LATE_MS, () => this.request({ wake: true }))
    }
    onStatus({ ...status, tab: 'follows' })
  }

  /** Expects nothing more of the leader. */
  stop() {
    clearTimeout(this.#timer)
  }

  /** Forgets what came for another person. */
  reset() {
    this.#gapAfter = undefined
  }

  /** @param {number} ms @param {() => void} onElapsed */
  #arm(ms, onElapsed) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(onElapsed, ms)
  }
}
