/**
 * The leader is the tab that has the socket: it passes frames and status on to the followers, and
 * brings up to date those that have less.
 *
 * A tab that does not lead keeps frames too, as it may lead when the first follower comes, and
 * passes nothing on.
 */

/** @import { SocketFeed } from './socket-feed.js' */
/** @import { Tabs } from './tabs.js' */
/** @import { Frame } from './types.js' */

/** How many frames are kept for followers that come later; older ones come from the service again. */
const MAX_FRAMES = 128

export class Leader {
  /** The last numbered frames, up to the socket's `lastSeq`. @type {(Frame & { seq: number })[]} */
  #frames = []
  #tabs
  #socket

  /**
   * @param {Tabs} tabs
   * @param {SocketFeed} socket
   */
  constructor(tabs, socket) {
    this.#tabs = tabs
    this.#socket = socket
  }

  /** Keeps a frame and passes it on. @param {Frame} frame */
  publish(frame) {
    const { type, seq } = frame
    if (type === 'resync_required') this.forget()
    else if (seq !== undefined) {
      this.#frames.push({ ...frame, seq })
      if (this.#frames.length > MAX_FRAMES) this.#frames.shift()
    }
    if (this.#tabs.leads) this.#tabs.post({ frame })
  }

  /** Passes on the status, and while live the number after which further frames come. */
  publishStatus() {
    const { status, lastSeq } = this.#socket
    if (this.#tabs.leads) this.#tabs.post({ status, seq: status.state === 'live' ? lastSeq : undefined })
  }

  /**
   * Responds to a follower's request with the frames that it lacks, then the status.
   *
   * @param {{ cursor: number | null, wake?: boolean }} request
   */
  respond({ cursor, wake }) {
    const { status, lastSeq } = this.#socket
    const isReady = status.state === 'live' && lastSeq !== undefined
    // Opened again, the socket brings what is missing, and the status follows by itself.
    if (isReady && cursor !== null && cursor !== lastSeq && this.#bringUpToDate(cursor, lastSeq)) return
    this.publishStatus()
    if (wake) this.#socket.wake()
  }

  /** Drops the frames kept so far: those that come next do not follow them. */
  forget() {
    this.#frames = []
  }

  /**
   * Returns whether the socket had to be opened again for it.
   *
   * @param {number} cursor
   * @param {number} lastSeq
   */
  #bringUpToDate(cursor, lastSeq) {
    const first = this.#frames[0]?.seq
    if (cursor > Math.max(this.#socket.inboxSeq, lastSeq)) {
      this.#tabs.post({ frame: { type: 'resync_required', seq: lastSeq } })
    } else if (first !== undefined && first <= cursor + 1) {
      for (const frame of this.#frames) if (frame.seq > cursor) this.#tabs.post({ frame })
    } else if (cursor < lastSeq) {
      this.#socket.resumeFrom(cursor)
      return true
    }
    return false
  }
}
