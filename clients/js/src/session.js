/**
 * A session is one person's sign-in: their two tokens, kept in a storage, and renewed when they expire.
 *
 * However many requests find the access token stale, it is renewed once. A renewal that ends after
 * a sign-out changes nothing. While a request is in progress that revokes all tokens and returns
 * new ones, renewals wait for it.
 */

import { isolate, Listeners } from './listeners.js'
import { unreachable } from './rest-error.js'
import { safeStorage } from './storage.js'
import { claims } from './token.js'

/** @import { StorageChoice } from './types.js' */
/** @import { Tokens } from './rest-types.js' */

/** An access token this close to its expiry is renewed before it is used; a short-lived one in its last quarter. */
const SPARE_SECONDS = 30

/**
 * @typedef {object} SessionOptions
 * @property {string} key in the storage
 * @property {StorageChoice | null | undefined} storage
 * @property {(refresh: string) => Promise<Tokens | null>} renew returns null when the service refuses the refresh
 *   token; it rejects when that cannot be determined now
 */

export class Session {
  /** One object for each sign-in: work that began under another object is stale. @type {Tokens | null} */
  #tokens
  /** @type {Promise<void> | undefined} */
  #renewal
  /** Set while all tokens are being replaced. A renewal in another tab is refused meanwhile, and signs out there. */
  #isReplacing = false
  /** How far the clock of this machine is ahead of the service's, by the last token received. */
  #aheadSeconds = 0
  /** @type {Listeners<() => void>} */
  #listeners = new Listeners()
  #options
  #storage

  /** @param {SessionOptions} options */
  constructor(options) {
    this.#options = options
    this.#storage = safeStorage(options.storage)
    this.#tokens = this.#stored()
    if (options.storage) globalThis.addEventListener?.('storage', (event) => this.#onStorage(event))
  }

  get tokens() {
    return this.#tokens
  }

  /** @returns {number | null} the id of whoever is signed in */
  get userId() {
    return this.#tokens ? personOf(this.#tokens) : null
  }

  /** Calls the listener when somebody signs in or out. @param {() => void} listener @returns {() => void} */
  subscribe(listener) {
    return this.#listeners.add(() => listener())
  }

  /** @param {Tokens} tokens just received from the service */
  start(tokens) {
    this.#measureClock(tokens.access)
    this.#set({ ...tokens })
  }

  /** Forgets the tokens, here and in the storage. */
  end() {
    this.#set(null)
  }

  /**
   * Makes a request whose response has tokens in place of all that existed before.
   *
   * @template {Tokens} Response
   * @param {() => Promise<Response>} send
   */
  async replace(send) {
    await this.#renewal?.catch(() => {})
    const mine = this.#tokens
    this.#isReplacing = true
    const response = send()
    const replacement = response
      .then((next) => mine && mine === this.#tokens && this.#rotate(mine, next))
      // The sign-out of another tab, which was ignored meanwhile, counts after all.
      .catch(() => mine === this.#tokens && this.#isGoneFromStorage() && this.#set(null))
      .then(() => {
        this.#isReplacing = false
        if (this.#renewal === replacement) this.#renewal = undefined
      })
    this.#renewal = replacement
    await replacement
    return response
  }

  /**
   * Returns an access token to use now, or null when nobody is signed in.
   *
   * @param {string} [refused] one that was refused
   */
  async access(refused) {
    const mine = this.#tokens
    if (!mine) return null
    const { access } = mine
    const isStale = () => mine.access === access && (refused === access || this.#usableSeconds(access) < 0)
    // What was waited for first may have been a request that failed, and renewed nothing.
    if (this.#renewal && isStale()) await this.#renewal
    if (mine === this.#tokens && isStale()) await this.#renewOnce()
    return mine === this.#tokens ? mine.access : null
  }

  /** Returns how long a token is to be used yet, negative if it is too close to its expiry. @param {string} access */
  #usableSeconds(access) {
    const { exp = Infinity, iat = 0 } = claims(access)
    return exp - Math.min(SPARE_SECONDS, (exp - iat) / 4) + this.#aheadSeconds - Date.now() / 1000
  }

  #renewOnce() {
    const mine = this.#tokens
    if (!mine) return
    this.#renewal ??= this.#options
      .renew(mine.refresh)
      .then((next) => {
        if (mine !== this.#tokens) return
        if (next) return this.#rotate(mine, next)
        // Another tab may have newer ones, whose storage event has not arrived yet.
        const stored = this.#stored()
        const isNewer = stored && stored.refresh !== mine.refresh && personOf(stored) === personOf(mine)
        if (isNewer) Object.assign(mine, stored)
        else this.#set(null)
      })
      .finally(() => {
        if (mine === this.#tokens) this.#renewal = undefined
      })
    return this.#renewal
  }

  /**
   * Another tab signed in, signed out, or renewed the tokens.
   *
   * @param {{ key: string | null, newValue: string | null }} event
   */
  #onStorage({ key, newValue }) {
    if ((key !== this.#options.key && key !== null) || (this.#isReplacing && !newValue)) return
    const mine = this.#tokens
    const next = parse(newValue)
    if (next && mine && personOf(next) === personOf(mine)) Object.assign(mine, next)
    else if (next || mine) this.#set(next, true)
  }

  /** The same sign-in continues with other tokens. @param {Tokens} mine @param {Tokens} next */
  #rotate(mine, next) {
    // A cache between the page and the service may confuse people; the service does not.
    if (personOf(next) !== personOf(mine)) throw unreachable(new Error('tokens of somebody else'))
    Object.assign(mine, { access: next.access, refresh: next.refresh })
    this.#measureClock(next.access)
    this.#store()
  }

  /** Another sign-in, or none, takes the place of this one. @param {Tokens | null} next @param {boolean} [isStored] */
  #set(next, isStored) {
    this.#tokens = next
    this.#renewal = undefined
    // Where the tokens do not fit, those of the person before must not come back with a reload.
    if (!isStored && !this.#store()) this.#storage.remove(this.#options.key)
    for (const listener of this.#listeners.all()) isolate(listener)
  }

  #store() {
    return !!this.#tokens && this.#storage.set(this.#options.key, JSON.stringify(this.#tokens))
  }

  #stored() {
    return parse(this.#storage.get(this.#options.key))
  }

  #isGoneFromStorage() {
    return this.#options.storage && !this.#storage.get(this.#options.key)
  }

  /** @param {string} access just issued by the service */
  #measureClock(access) {
    const { iat } = claims(access)
    this.#aheadSeconds = iat ? Date.now() / 1000 - iat : 0
  }
}

/** @param {Tokens} tokens */
function personOf({ access }) {
  return Number(claims(access).user_id)
}

/** @param {string | null} text @returns {Tokens | null} */
function parse(text) {
  try {
    const tokens = JSON.parse(text ?? 'null')
    return isTokens(tokens) ? tokens : null
  } catch {
    return null
  }
}

/** Whether these are tokens of the service, by their form. @param {any} value @returns {value is Tokens} */
export function isTokens(value) {
  const isText = (/** @type {unknown} */ token) => typeof token === 'string' && token
  return !!isText(value?.access) && !!isText(value.refresh) && personOf(value) > 0
}
