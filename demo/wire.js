/**
 * The network of one person in this page: it can be cut and brought back, and
 * every frame that passes is shown.
 *
 * The package takes its `WebSocket` and its `fetch` from here, and notices a cut
 * as it would notice a cable that is pulled.
 */

/** @typedef {{ at: Date, way: 'in' | 'out' | 'note', text: string, type?: string, seq?: number }} LogEntry */

/** @param {(entry: LogEntry) => void} onLog */
export function createWire(onLog) {
  let isCut = false
  /** @type {Set<WireSocket>} */
  const sockets = new Set()

  /** @param {LogEntry['way']} way @param {string} text */
  function log(way, text) {
    let frame
    try {
      frame = way === 'note' ? undefined : JSON.parse(text)
    } catch {
      // Shown as it is.
    }
    onLog({ at: new Date(), way, text, type: frame?.type, seq: frame?.seq })
  }

  class WireSocket {
    onmessage = (/** @type {{ data: string }} */ _event) => {}
    onclose = (/** @type {{ code: number, reason: string }} */ _event) => {}
    /** @type {WebSocket | undefined} */
    #socket

    /** @param {string} url @param {string[]} protocols */
    constructor(url, protocols) {
      if (isCut) {
        queueMicrotask(() => this.end(1006, ''))
        return
      }
      const { pathname, search } = new URL(url)
      log('note', `open ${pathname}${search}`)
      const socket = new WebSocket(url, protocols)
      this.#socket = socket
      sockets.add(this)
      socket.onmessage = ({ data }) => {
        if (!sockets.has(this)) return
        log('in', data)
        this.onmessage({ data })
      }
      socket.onclose = ({ code, reason }) => this.end(code, reason)
    }

    get readyState() {
      return this.#socket?.readyState ?? 3
    }

    /** @param {string} text */
    send(text) {
      log('out', text)
      this.#socket?.send(text)
    }

    close() {
      sockets.delete(this)
      this.#socket?.close()
    }

    /** @param {number} code @param {string} reason */
    end(code, reason) {
      if (this.#socket && !sockets.delete(this)) return
      if (this.#socket) log('note', `closed with ${code}${reason && `: ${reason}`}`)
      this.#socket?.close()
      this.onclose({ code, reason })
    }
  }

  return {
    WebSocket: /** @type {typeof WebSocket} */ (/** @type {unknown} */ (WireSocket)),

    /** @type {typeof fetch} */
    fetch: async (input, init) => {
      if (isCut) throw new TypeError('The network is cut.')
      return fetch(input, init)
    },

    get isCut() {
      return isCut
    },

    cut() {
      isCut = true
      log('note', 'network cut')
      for (const socket of [...sockets]) socket.end(1006, '')
    },

    restore() {
      isCut = false
      log('note', 'network back')
    },
  }
}
