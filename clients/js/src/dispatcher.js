/**
 * The dispatcher hands each event to its handlers once, in the order of `seq`, and moves the cursor.
 *
 * The feed may deliver an event twice; repeats end here.
 */

import { isolate, Listeners } from './listeners.js'

/** @import { Position } from './position.js' */
/** @import { Frame } from './types.js' */

/** @typedef {(data: any, frame: any) => void} AnyHandler */

export class Dispatcher {
  /** Handlers are called only while this is set, also within one event: one of them may close the client. */
  isOpen = false
  /** @type {Map<string, Listeners<AnyHandler>>} */
  #handlers = new Map()
  #position

  /** @param {Position} position */
  constructor(position) {
    this.#position = position
  }

  /**
   * Adds a handler for events of a type, `*` for all of them, and returns the function that removes it.
   *
   * @param {string} type
   * @param {AnyHandler} handler
   */
  on(type, handler) {
    const handlers = this.#handlers.get(type) ?? new Listeners()
    this.#handlers.set(type, handlers)
    return handlers.add(handler)
  }

  /** @param {Frame & { [key: string]: any }} frame */
  deliver(frame) {
    const { type, seq } = frame
    const position = this.#position
    if (type === 'resync_required') {
      if (seq !== undefined) position.move(seq)
      return this.#callHandlers('resync', { seq }, frame)
    }
    if (seq !== undefined && position.cursor !== undefined && seq <= position.cursor) return
    this.#callHandlers(type, frame.data, frame)
    // After the handlers: a page that ends in between gets the event again, and does not lose it.
    if (seq !== undefined && this.isOpen) position.move(seq)
  }

  /** @param {string} type @param {any} data @param {Frame} frame */
  #callHandlers(type, data, frame) {
    for (const handler of [...this.#handlersOf(type), ...this.#handlersOf('*')]) {
      isolate(() => this.isOpen && handler(data, frame))
    }
  }

  /** @param {string} type */
  #handlersOf(type) {
    return this.#handlers.get(type)?.all() ?? []
  }
}
