/**
 * The feed of one person, as this tab gets it: through a socket of its own (`socket-feed.js`), as
 * the leader also for other tabs (`leader.js`), or from the tab that leads (`follower.js`). Which
 * of these a tab is, is decided here.
 *
 * Whatever happens to sockets and tabs, every event after the cursor of this tab is delivered, in
 * order. Some may be delivered twice; the dispatcher drops those by `seq`.
 */

import { Follower } from './follower.js'
import { Leader } from './leader.js'
import { SocketFeed } from './socket-feed.js'
import { Tabs, tabsCanShare } from './tabs.js'
import { claims } from './token.js'

/** @import { Position } from './position.js' */
/** @import { Frame, GetToken, SocketClass, Status, Timings } from './types.js' */

/**
 * @typedef {object} FeedOptions
 * @property {() => URL} url of the socket
 * @property {GetToken} getToken
 * @property {boolean} usesTickets
 * @property {boolean} share
 * @property {Position} position
 * @property {SocketClass} WebSocket
 * @property {Timings} timings
 * @property {(frame: Frame & { [key: string]: any }) => void} onFrame
 * @property {(status: Status) => void} onStatus
 */

export class Feed {
  #options
  #socket
  /**
   * Undefined where tabs do not share: then this tab neither leads nor follows.
   *
   * @type {{ tabs: Tabs, leader: Leader, follower: Follower } | undefined}
   */
  #shared

  /** @param {FeedOptions} options */
  constructor(options) {
    this.#options = options
    this.#socket = new SocketFeed({
      ...options,
      admit: (token) => this.#admit(token),
      onFrame: (frame) => this.#onFrame(frame),
      onJump: () => this.#shared?.leader.forget(),
      onStatus: () => this.#onSocketStatus(),
    })
    if (options.share && tabsCanShare()) this.#shared = this.#share()
  }

  connect() {
    if (this.#shared?.tabs.follows) this.#shared.follower.request({ wake: true })
    else this.#socket.connect()
  }

  wake() {
    if (this.#shared?.tabs.follows) this.#shared.follower.request({ wake: true })
    else this.#socket.wake()
  }

  stop() {
    this.#shared?.follower.stop()
    this.#shared?.tabs.leave()
    this.#socket.stop()
  }

  #share() {
    const tabs = new Tabs({
      onMessage: (message) => this.#onMessage(message),
      onElected: () => {
        follower.stop()
        this.#socket.open()
      },
      onDeposed: () => {
        this.#socket.stop()
        follower.request()
      },
    })
    const leader = new Leader(tabs, this.#socket)
    const follower = new Follower(tabs, this.#options)
    return { tabs, leader, follower }
  }

  /**
   * Decides whether this tab opens a socket with the token; if not, it follows the tab that has one.
   *
   * @param {string} token
   */
  async #admit(token) {
    const { position, url } = this.#options
    const person = String(claims(token).user_id ?? token)
    if (position.assignTo(person)) this.#reset()
    if (!this.#shared) return true
    const isLeader = await this.#shared.tabs.join(`numeneon ${url()} ${person}`)
    if (!isLeader) this.#shared.follower.start()
    return isLeader
  }

  #reset() {
    this.#socket.reset()
    this.#shared?.leader.forget()
    this.#shared?.follower.reset()
  }

  /** @param {Frame & { [key: string]: any }} frame from the socket */
  #onFrame(frame) {
    // To the followers first: if this tab ends here, none of them has less than it.
    this.#shared?.leader.publish(frame)
    this.#options.onFrame(frame)
  }

  #onSocketStatus() {
    const { status } = this.#socket
    // Another tab may have a token that is accepted.
    if (status.state === 'refused') this.#shared?.tabs.leave()
    // A tab that has lost the lead shows the status of the new leader.
    if (this.#shared?.tabs.follows) return
    this.#shared?.leader.publishStatus()
    this.#options.onStatus({ ...status, tab: this.#shared?.tabs.leads ? 'leads' : 'alone' })
  }

  /** @param {any} message from another tab: a follower's request, or a leader's frame or status */
  #onMessage(message) {
    if (!this.#shared) return
    const { tabs, leader, follower } = this.#shared
    if (tabs.leads) {
      if (message.cursor !== undefined) leader.respond(message)
    } else if (message.frame) follower.receive(message.frame)
    else if (message.status) follower.receiveStatus(message.status, message.seq)
  }
}
