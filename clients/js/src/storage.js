/**
 * The storage of a page, which may be absent, forbidden or full. It then costs what would have
 * outlived the page, and no call fails.
 */

/** @import { KeyValueStorage, StorageChoice } from './types.js' */

/**
 * Returns a storage none of whose functions throws. By name, as even reading the page's own
 * `localStorage` throws where it is forbidden. `set` returns whether the value is stored.
 *
 * @param {StorageChoice | null | undefined} choice
 */
export function safeStorage(choice) {
  /**
   * @template Value
   * @param {(storage: KeyValueStorage) => Value} call
   */
  const attempt = (call) => {
    try {
      const storage =
        choice === 'local' ? globalThis.localStorage : choice === 'session' ? globalThis.sessionStorage : choice
      return storage ? call(storage) : null
    } catch {
      return null
    }
  }
  return {
    get: (/** @type {string} */ key) => attempt((storage) => storage.getItem(key)),
    /** Returns the value that JSON under the key describes, null if there is none. @returns {any} */
    parsed: (/** @type {string} */ key) => attempt((storage) => JSON.parse(storage.getItem(key) ?? 'null')),
    set: (/** @type {string} */ key, /** @type {string} */ value) =>
      attempt((storage) => (storage.setItem(key, value), true)) ?? false,
    remove: (/** @type {string} */ key) => void attempt((storage) => storage.removeItem(key)),
  }
}
