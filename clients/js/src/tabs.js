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
  /** Whether no other tab was heard since this one took or lost the lead by force. */
  #isUnheard = false
  /** Whether the channel turned out to carry nothing. */
  #isDeaf = false
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
    const channel = this.#isDeaf ? undefined : this.#openChannel(name)
    if (!channel) return this.#leadAlone()
    const isLeader = await new Promise((/** @type {(isLeader: boolean) => void} */ resolve) =>
      this.#request({ ifAvailable: true }, resolve),
    )
    if (!isLeader && channel === this.#channel) this.#wait()
    return isLeader
  }

  /** @param {string} name */
  #openChannel(name) {
    try {
      this.#channel = new BroadcastChannel(name)
    } catch {
      return undefined
    }
    this.#channel.onmessage = ({ data }) => {
      this.#isUnheard = false
      this.#callbacks.onMessage(data)
    }
    return this.#channel
  }

  /** Without a channel that carries something, or locks, each tab leads itself. */
  #leadAlone() {
    this.#release = () => {}
    return true
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
    try {
      this.#channel?.postMessage(message)
    } catch {
      // As if the channel had lost it: the other tabs request what they lack.
    }
  }

  /**
   * Takes the lock from a leader that does not respond, because the browser froze its tab.
   *
   * Where nothing has been heard since the lead last changed by force, the channel carries nothing;
   * then tabs would take the lead from each other for ever, so this one no longer shares.
   */
  steal() {
    this.#waiting?.abort()
    if (this.#isUnheard) {
      this.#isDeaf = true
      this.#channel?.close()
      this.#channel = undefined
      this.#leadAlone()
      return this.#callbacks.onElected()
    }
    this.#isUnheard = true
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
    const onLock = (/** @type {Lock | null} */ lock) => {
      if (channel !== this.#channel) return
      if (!lock) return onDecided(false)
      return new Promise((/** @type {(value?: any) => void} */ resolve) => {
        this.#release = resolve
        onDecided(true)
      })
    }
    // In an async function, as where locks are forbidden the call itself may throw.
    const request = async () => navigator.locks.request(/** @type {string} */ (this.#name), options, onLock)
    request().catch((/** @type {unknown} */ error) => {
      // Aborted by `leave` or `steal`.
      if (channel !== this.#channel || options.signal?.aborted) return
      if (!(error instanceof DOMException) || error.name !== 'AbortError') {
        // A sandboxed page has locks that it may not use.
        return onDecided(this.#leadAlone())
      }
      // Stolen while this tab was frozen.
      this.#release = undefined
      this.#isUnheard = true
      this.#callbacks.onDeposed()
      this.#wait()
    })
  }
}

/** Whether this browser has, on this origin, what tabs need: without TLS there are no locks. */
export function tabsCanShare() {
  try {
    return !!globalThis.navigator?.locks && !!globalThis.BroadcastChannel
  } catch {
    return false
  }
}
