/**
 * The tabs of one origin that show the same person elect a leader, which alone
 * has a socket; the others are fed by it.
 *
 * The leader is whoever holds a Web Lock: the browser hands it on when that tab
 * is closed, crashes or lets go. Messages go over a BroadcastChannel, in order
 * from one sender. What they say, and that nothing is lost when the leader
 * changes, is the feed's part.
 */

/**
 * @param {object} parts
 * @param {(message: any) => void} parts.onMessage from another tab
 * @param {() => void} parts.onLead this tab has become the leader, later than `join` answered
 * @param {() => void} parts.onRobbed another tab has taken the lead by force
 */
export function createTabs({ onMessage, onLead, onRobbed }) {
  /** @type {string | undefined} */
  let group
  /** @type {BroadcastChannel | undefined} */
  let channel
  /** @type {AbortController | undefined} */
  let queued
  /** @type {(() => void) | undefined} set while this tab leads */
  let letGo

  /**
   * Holds the lock until `letGo` or a theft. Answers at once with `ifAvailable`.
   *
   * @param {LockOptions} options
   * @param {(isLeader: boolean) => void} answer
   */
  function hold(options, answer) {
    const mine = channel
    navigator.locks
      .request(/** @type {string} */ (group), options, (lock) => {
        if (mine !== channel) return
        if (!lock) return answer(false)
        return new Promise((/** @type {(value?: any) => void} */ resolve) => {
          letGo = resolve
          answer(true)
        })
      })
      .catch((/** @type {unknown} */ error) => {
        // Aborted by `leave` or `steal`.
        if (mine !== channel || options.signal?.aborted) return
        if (!(error instanceof DOMException) || error.name !== 'AbortError') {
          // A sandboxed page has locks that it may not use: each leads itself.
          letGo = () => {}
          return answer(true)
        }
        // Stolen while this tab stood still.
        letGo = undefined
        onRobbed()
        queue()
      })
  }

  function queue() {
    queued = new AbortController()
    hold({ signal: queued.signal }, onLead)
  }

  function leave() {
    channel?.close()
    group = channel = undefined
    queued?.abort()
    letGo?.()
    letGo = undefined
  }

  return {
    get leads() {
      return !!letGo
    },
    get follows() {
      return !!channel && !letGo
    },

    /**
     * Answers whether this tab leads the group; if not, it follows, and waits for its turn.
     *
     * @param {string} name
     * @returns {Promise<boolean>}
     */
    async join(name) {
      if (name === group) return !!letGo
      leave()
      group = name
      const mine = (channel = new BroadcastChannel(name))
      mine.onmessage = ({ data }) => onMessage(data)
      const isLeader = await new Promise((/** @type {(value: boolean) => void} */ resolve) => hold({ ifAvailable: true }, resolve))
      if (!isLeader && mine === channel) queue()
      return isLeader
    },

    /** @param {object} message */
    post(message) {
      channel?.postMessage(message)
    },

    /** Takes the lead from a tab that answers nothing, because the browser froze it. */
    steal() {
      queued?.abort()
      hold({ steal: true }, onLead)
    },

    leave,
  }
}

/** Whether this browser, on this origin, has what tabs need: without TLS there are no locks. */
export function tabsCanShare() {
  return !!globalThis.navigator?.locks && !!globalThis.BroadcastChannel
}
