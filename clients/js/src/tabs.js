/**
 * The tabs of one origin that show the same person elect a **leader**, which alone has a socket;
 * the others are **followers**, which receive its frames from it.
 *
 * The leader is the tab that holds a Web Lock: the browser hands the lock on when that tab is
 * closed, crashes or releases it. Messages go over a BroadcastChannel, in order from one sender.
 * What the messages mean, and that no event is lost when the leader changes, is up to `leader.js`
 * and `follower.js`.
 */

export class Tabs {
  /** Names both the lock and the channel. @type {string | undefined} */
  #name
  /** @type {BroadcastChannel | undefined} */
  #channel
  /** Withdraws the request for the lock, while this tab waits for it. @type {AbortController | undefined} */
  #waiting
  /** Releases the lock; set while this tab leads. @type {(() => void) | undefined} */
  #release
  #callbacks

  /**
   * @param {object} callbacks
   * @param {(message: any) => void} callbacks.onMessage from another tab
   * @param {() => void} callbacks.onElected this tab has become the leader, after `join` returned false
   * @param {() => void} callbacks.onDeposed another tab has taken the lock by force
   */
  constructor(callbacks) {
    this.#callbacks = callbacks
  }

  get leads() {
    return !!this.#release
  }

  get follows() {
    return !!this.#channel && !this.#release
  }

  /**
   * Joins the tabs of that name and returns whether this tab leads them; if not, it follows, and
   * waits for the lock.
   *
   * @param {string} name
   * @returns {Promise<boolean>}
   */
  async join(name) {
    if (name === this.#name) return this.leads
    this.leave()
    this.#name = name
    const channel = (this.#channel = new BroadcastChannel(name))
    channel.onmessage = ({ data }) => this.#callbacks.onMessage(data)
    const isLeader = await new Promise((/** @type {(isLeader: boolean) => void} */ resolve) =>
      this.#request({ ifAvailable: true }, resolve),
    )
    if (!isLeader && channel === this.#channel) this.#wait()
    return isLeader
  }

  leave() {
    this.#channel?.close()
    this.#name = this.#channel = undefined
    this.#waiting?.abort()
    this.#release?.()
    this.#release = undefined
  }

  /** @param {object} message */
  post(message) {
    this.#channel?.postMessage(message)
  }

  /** Takes the lock from a leader that does not respond, because the browser froze its tab. */
  steal() {
    this.#waiting?.abort()
    this.#request({ steal: true }, this.#callbacks.onElected)
  }

  #wait() {
    this.#waiting = new AbortController()
    this.#request({ signal: this.#waiting.signal }, this.#callbacks.onElected)
  }

  /**
   * Requests the lock, and holds it until `#release` is called or another tab steals it.
   *
   * @param {LockOptions} options
   * @param {(isLeader: boolean) => void} onDecided called with false only for `ifAvailable`
   */
  #request(options, onDecided) {
    const channel = this.#channel
    navigator.locks
      .request(/** @type {string} */ (this.#name), options, (lock) => {
        if (channel !== this.#channel) return
        if (!lock) return onDecided(false)
        return new Promise((/** @type {(value?: any) => void} */ resolve) => {
          this.#release = resolve
          onDecided(true)
        })
      })
      .catch((/** @type {unknown} */ error) => {
        // Aborted by `leave` or `steal`.
        if (channel !== this.#channel || options.signal?.aborted) return
        if (!(error instanceof DOMException) || error.name !== 'AbortError') {
          // A sandboxed page has locks that it may not use: each of its tabs leads itself.
          this.#release = () => {}
          return onDecided(true)
        }
        // Stolen while this tab was frozen.
        this.#release = undefined
        this.#callbacks.onDeposed()
        this.#wait()
      })
  }
}

/** Whether this browser has, on this origin, what tabs need: without TLS there are no locks. */
export function tabsCanShare() {
  return !!globalThis.navigator?.locks && !!globalThis.BroadcastChannel
}
