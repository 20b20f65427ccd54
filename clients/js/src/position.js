/**
 * A position is the cursor of one person: the last `seq` that this page has.
 *
 * It belongs to the person whom the token names, so that signing in as somebody else never resumes
 * from another's cursor. With a storage it outlives the page.
 */

import { safeStorage } from './storage.js'

/** @import { StorageChoice } from './types.js' */

export class Position {
  /** @type {string | undefined} */
  #person
  #service
  #storage
  #cursor

  /**
   * @param {string} service its address, so that two services have two cursors
   * @param {StorageChoice | null | undefined} storage
   * @param {number | undefined} cursor for the first person; a stored one is older, and not read then
   */
  constructor(service, storage, cursor) {
    this.#service = service
    this.#storage = safeStorage(storage)
    this.#cursor = cursor
  }

  /** @returns {number | undefined} unknown before the first connection */
  get cursor() {
    return this.#cursor
  }

  /**
   * Makes this the cursor of a person, and returns whether it was another's before.
   *
   * @param {string} person
   */
  assignTo(person) {
    if (person === this.#person) return false
    const given = this.#person === undefined ? this.#cursor : undefined
    this.#person = person
    this.#cursor = given ?? this.#stored()
    return true
  }

  /** @param {number} seq */
  move(seq) {
    this.#cursor = seq
    // A full or forbidden storage costs the resumption after a reload, not the event.
    this.#storage.set(this.#key(), String(seq))
  }

  forget() {
    this.#cursor = undefined
    if (this.#person !== undefined) this.#storage.remove(this.#key())
  }

  #key() {
    return `numeneon:cursor:${this.#service}:${this.#person}`
  }

  #stored() {
    const text = this.#storage.get(this.#key())
    return text && /^\d{1,15}$/.test(text) ? Number(text) : undefined
  }
}
