/**
 * The part of the Web Locks API that tabs use, for Node.js, which does not have it: exclusive locks
 * that are granted in order, `ifAvailable`, `signal` and `steal`.
 */

/** @typedef {{ grant: (isHeld: boolean) => void, reject: (error: unknown) => void }} Entry */

export function createLocks() {
  /** @type {Map<string, { holder?: Entry, waiting: Entry[] }>} */
  const locks = new Map()
  const aborted = () => new DOMException('aborted', 'AbortError')

  return {
    /** @param {string} name @param {any} options @param {(lock: object | null) => any} callback */
    request(name, options, callback) {
      const lock = locks.get(name) ?? { waiting: [] }
      locks.set(name, lock)
      const release = (/** @type {Entry} */ entry) => {
        if (lock.holder !== entry) return
        lock.holder = lock.waiting.shift()
        lock.holder?.grant(true)
      }
      return new Promise((resolve, reject) => {
        /** @type {Entry} */
        const entry = {
          reject,
          grant: (isHeld) =>
            queueMicrotask(() =>
              Promise.resolve(callback(isHeld ? { name } : null)).then(resolve, reject).then(() => release(entry)),
            ),
        }
        options.signal?.addEventListener('abort', () => {
          lock.waiting = lock.waiting.filter((other) => other !== entry)
          if (lock.holder !== entry) reject(aborted())
        })
        if (options.steal) {
          lock.holder?.reject(aborted())
          lock.holder = entry
          entry.grant(true)
        } else if (!lock.holder) {
          lock.holder = entry
          entry.grant(true)
        } else if (options.ifAvailable) entry.grant(false)
        else lock.waiting.push(entry)
      })
    },
  }
}
