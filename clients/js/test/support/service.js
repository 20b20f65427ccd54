/**
 * A stand-in for the service's sockets, controlled by the test: each socket that the client opens
 * is in `sockets`.
 */

import { setImmediate } from 'node:timers/promises'

export function createService() {
  /** @type {ServiceSocket[]} */
  const sockets = []

  class ServiceSocket {
    readyState = 0
    /** @type {any[]} */
    received = []
    onmessage = (/** @type {any} */ _event) => {}
    onclose = (/** @type {any} */ _event) => {}

    /** @param {string} url @param {string[]} protocols */
    constructor(url, protocols) {
      this.url = new URL(url)
      this.protocols = protocols
      this.token = protocols[1]?.replace('bearer.', '')
      sockets.push(this)
    }

    get cursor() {
      return this.url.searchParams.get('cursor')
    }

    /** @param {string} text */
    send(text) {
      this.received.push(JSON.parse(text))
    }

    /** The client closes the socket. */
    close() {
      this.readyState = 3
    }

    /** @param {number} [seq] */
    establish(seq) {
      this.readyState = 1
      this.deliver({ type: 'connection_established', message: 'Connected as ada', user_id: 1, seq })
    }

    /** Sends a frame to the client. @param {object} frame */
    deliver(frame) {
      this.onmessage({ data: JSON.stringify(frame) })
    }

    /** @param {number} seq @param {string} [type] */
    event(seq, type = 'new_message') {
      this.deliver({ type, data: { id: seq }, seq })
    }

    /** The service closes the socket, or the network is lost. @param {number} [code] @param {string} [reason] */
    end(code = 1006, reason = '') {
      this.readyState = 3
      this.onclose({ code, reason })
    }
  }

  return {
    WebSocket: /** @type {typeof WebSocket} */ (/** @type {unknown} */ (ServiceSocket)),
    sockets,
    get socket() {
      const last = sockets.at(-1)
      if (!last) throw new Error('no socket was opened')
      return last
    },
    get open() {
      return sockets.filter((socket) => socket.readyState < 2)
    },
  }
}

/** Lets everything run that does not wait for a timer. */
export async function settled() {
  for (let turn = 0; turn < 5; turn++) await setImmediate()
}

/** Returns a token like the service's, but unsigned. @param {number} userId @param {object} [more] */
export function tokenOf(userId, more = {}) {
  const part = (/** @type {object} */ value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'HS256' })}.${part({ user_id: String(userId), ...more })}.signature`
}

/** A storage in memory. */
export function createStorage() {
  /** @type {Map<string, string>} */
  const values = new Map()
  return {
    values,
    getItem: (/** @type {string} */ key) => values.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => void values.set(key, value),
    removeItem: (/** @type {string} */ key) => void values.delete(key),
  }
}
