/** Listeners are callbacks, called in the order in which they were added. */

/** @template {(...values: any[]) => unknown} Listener */
export class Listeners {
  /** @type {Set<{ listener: Listener }>} */
  #entries = new Set()

  /**
   * Adds a listener and returns the function that removes it. One that is added twice is called
   * twice, and is removed twice.
   *
   * @param {Listener} listener
   */
  add(listener) {
    const entry = { listener }
    this.#entries.add(entry)
    return () => void this.#entries.delete(entry)
  }

  /** Returns those of this moment; a call that adds or removes others does not change what is returned. */
  all() {
    return [...this.#entries].map(({ listener }) => listener)
  }
}

/**
 * Calls a listener of the page so that an error in it is reported as the page's own, and does not
 * keep other listeners from being called.
 *
 * @param {() => unknown} call
 */
export function isolate(call) {
  try {
    call()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
