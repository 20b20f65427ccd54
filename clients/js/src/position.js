/**
 * The cursor of one person: the last `seq` that this page has.
 *
 * It belongs to whoever the token says, so that signing in as somebody else
 * never resumes from another's cursor. With a storage it outlives the page.
 */

/** @import { KeyValueStorage } from './types.js' */

/**
 * @param {string} service the address, so that two services keep two cursors
 * @param {KeyValueStorage | null | undefined} storage
 * @param {number | undefined} cursor for the first person; a stored one is older and not looked at
 */
export function createPosition(service, storage, cursor) {
  /** @type {string | undefined} */
  let person
  const key = () => `numeneon:cursor:${service}:${person}`

  return {
    /** @returns {number | undefined} unknown before the first connection */
    get cursor() {
      return cursor
    },

    /**
     * Answers whether that is somebody else than before.
     *
     * @param {string} next
     */
    belongTo(next) {
      if (next === person) return false
      const given = person === undefined ? cursor : undefined
      person = next
      cursor = given ?? stored(storage, key())
      return true
    },

    /** @param {number} seq */
    move(seq) {
      cursor = seq
      try {
        storage?.setItem(key(), String(seq))
      } catch {
        // A full or forbidden storage costs the resumption after a reload, not the event.
      }
    },

    forget() {
      cursor = undefined
      if (person !== undefined) storage?.removeItem(key())
    },
  }
}

/**
 * @param {KeyValueStorage | null | undefined} storage
 * @param {string} key
 */
function stored(storage, key) {
  try {
    const text = storage?.getItem(key)
    return text && /^\d{1,15}$/.test(text) ? Number(text) : undefined
  } catch {
    return undefined
  }
}
