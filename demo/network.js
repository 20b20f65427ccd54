/**
 * The network of one person on this page, which can be disconnected, and whose frames are logged.
 *
 * The package gets its `WebSocket` and its `fetch` from here, and notices a disconnection as it
 * would notice that a cable is unplugged.
 */

/** @typedef {'in' | 'out' | 'note'} Direction */
/** @typedef {{ at: Date, direction: Direction, text: string, type?: string, seq?: number }} LogEntry */

export class Network {
  isConnected = true
  /** @type {Set<ObservedSocket>} */
  sockets = new Set()
  #onLog

  /** @param {(entry: LogEntry) => void} onLog */
  constructor(onLog) {
    this.#onLog = onLog
  }

  /** The constructor to use in place of the global `WebSocket`. */
  get WebSocket() {
    const network = this
    class NetworkSocket extends ObservedSocket {
      /** @param {string} url @param {string[]} protocols */
      constructor(url, protocols) {
        super(network, url, protocols)
      }
    }
    return /** @type {typeof WebSocket} */ (/** @type {unknown} */ (NetworkSocket))
  }

  /** The function to use in place of the global `fetch`. @type {typeof fetch} */
  fetch = async (input, init) => {
    if (!this.isConnected) throw new TypeError('The network is disconnected.')
    return fetch(input, init)
  }

  disconnect() {
    this.isConnected = false
    this.log('note', 'network disconnected')
    for (const socket of [...this.sockets]) socket.end(1006, '')
  }

  reconnect() {
    this.isConnected = true
    this.log('note', 'network reconnected')
  }

  /** @param {Direction} direction @param {string} text */
  log(direction, text) {
    let frame
    try {
      frame = direction === 'note' ? undefined : JSON.parse(text)
    } catch {
      // A frame that is not JSON is shown as it is.
    }
    this.#onLog({ at: new Date(), direction, text, type: frame?.type, seq: frame?.seq })
  }
}

/** The part of the WebSocket interface that the package uses. */
class ObservedSocket {
  onmessage = (/** @type {{ data: string }} */ _event) => {}
  onclose = (/** @type {{ code: number, reason: string }} */ _event) => {}
  #network
  /** @type {WebSocket | undefined} */
  #socket

  /** @param {Network} network @param {string} url @param {string[]} protocols */
  constructor(network, url, protocols) {
    this.#network = network
    if (network.isConnected) this.#open(url, protocols)
    else queueMicrotask(() => this.end(1006, ''))
  }

  get readyState() {
    return this.#socket?.readyState ?? WebSocket.CLOSED
  }

  /** @param {string} text */
  send(text) {
    this.#network.log('out', text)
    this.#socket?.send(text)
  }

  close() {
    this.#network.sockets.delete(this)
    this.#socket?.close()
  }

  /** @param {number} code @param {string} reason */
  end(code, reason) {
    if (this.#socket && !this.#network.sockets.delete(this)) return
    if (this.#socket) this.#network.log('note', `closed with code ${code}${reason && `: ${reason}`}`)
    this.#socket?.close()
    this.onclose({ code, reason })
  }

  /** @param {string} url @param {string[]} protocols */
  #open(url, protocols) {
    const { sockets } = this.#network
    const { pathname, search } = new URL(url)
    this.#network.log('note', `opening ${pathname}${search}`)
    const socket = new WebSocket(url, protocols)
    this.#socket = socket
    sockets.add(this)
    socket.onmessage = ({ data }) => {
      if (!sockets.has(this)) return
      this.#network.log('in', data)
      this.onmessage({ data })
    }
    socket.onclose = ({ code, reason }) => this.end(code, reason)
  }
}
