/**
 * Who is signed in: their two tokens, kept in a storage, and renewed when they expire.
 *
 * However many requests find the access token stale, it is renewed once. A
 * renewal that ends after a sign-out changes nothing. While a request is under
 * way that ends all tokens and answers new ones, renewals wait for it.
 */

import { claims } from './token.js'

/** @import { KeyValueStorage } from './types.js' */
/** @import { Tokens } from './rest-types.js' */

/** An access token this close to its end is renewed before it is used; of a short-lived one, in its last quarter. */
const SPARE_SECONDS = 30

/**
 * @param {object} parts
 * @param {string} parts.key in the storage
 * @param {KeyValueStorage | null | undefined} parts.storage
 * @param {(refresh: string) => Promise<Tokens | null>} parts.renew answers null when the refresh token is no longer
 *   taken; a rejection says that this cannot be known now
 */
export function createSession({ key, storage, renew }) {
  /** A sign-in is one object: whatever began under another one no longer counts. @type {Tokens | null} */
  let tokens = parse(storage?.getItem(key))
  /** @type {Promise<void> | undefined} */
  let renewal
  /** While all tokens are being replaced. Another tab's renewal is refused then, and signs out for all. */
  let isReplacing = false
  /** What the clock of this machine is ahead of the service's, as of the last token that came. */
  let aheadSeconds = 0
  /** @type {Set<() => void>} */
  const listeners = new Set()

  /** @param {Tokens | null} next @param {boolean} [isStored] */
  function put(next, isStored) {
    tokens = next
    renewal = undefined
    if (!isStored) store()
    for (const listener of [...listeners]) listener()
  }

  function store() {
    if (tokens) storage?.setItem(key, JSON.stringify(tokens))
    else storage?.removeItem(key)
  }

  /** Another tab signed in, out, or renewed the tokens. @param {{ key: string | null, newValue: string | null }} event */
  function onStorage(event) {
    if ((event.key !== key && event.key !== null) || (isReplacing && !event.newValue)) return
    const next = parse(event.newValue)
    if (next && tokens && personOf(next) === personOf(tokens)) Object.assign(tokens, next)
    else if (next || tokens) put(next, true)
  }
  if (storage) globalThis.addEventListener?.('storage', onStorage)

  function renewOnce() {
    const mine = tokens
    if (!mine) return
    renewal ??= renew(mine.refresh)
      .then((next) => {
        if (mine !== tokens) return
        if (next) return take(mine, next)
        // Another tab may have newer ones, and word of it may be under way still.
        const kept = parse(storage?.getItem(key))
        if (kept && kept.refresh !== mine.refresh && personOf(kept) === personOf(mine)) Object.assign(mine, kept)
        else put(null)
      })
      .finally(() => {
        if (mine === tokens) renewal = undefined
      })
    return renewal
  }

  /** The same sign-in goes on with other tokens. @param {Tokens} mine @param {Tokens} next */
  function take(mine, next) {
    Object.assign(mine, { access: next.access, refresh: next.refresh })
    noteClock(next.access)
    store()
  }

  /** @param {string} access just made by the service */
  function noteClock(access) {
    const { iat } = claims(access)
    aheadSeconds = iat ? Date.now() / 1000 - iat : 0
  }

  return {
    get tokens() {
      return tokens
    },

    /** @param {Tokens} next */
    signIn(next) {
      noteClock(next.access)
      put({ ...next })
    },

    signOut: () => put(null),

    /**
     * Makes a request that answers tokens in place of all that there were.
     *
     * @template {Tokens} Answer
     * @param {() => Promise<Answer>} make
     */
    async replace(make) {
      await renewal?.catch(() => {})
      const mine = tokens
      isReplacing = true
      const made = make()
      const replacement = made
        .then((next) => mine && mine === tokens && take(mine, next))
        // The sign-out of another tab that was passed over counts after all.
        .catch(() => mine === tokens && storage && !storage.getItem(key) && put(null))
        .then(() => {
          isReplacing = false
          if (renewal === replacement) renewal = undefined
        })
      renewal = replacement
      await replacement
      return made
    },

    /**
     * Answers an access token to use now, or null when nobody is signed in.
     *
     * @param {string} [stale] one that was refused
     */
    async access(stale) {
      const mine = tokens
      if (!mine) return null
      const { exp = Infinity, iat = 0 } = claims(mine.access)
      const goodUntil = exp - Math.min(SPARE_SECONDS, (exp - iat) / 4)
      const isStale = () => stale === mine.access || goodUntil + aheadSeconds < Date.now() / 1000
      // What was waited for first may have been a request that failed, and renewed nothing.
      if (renewal && isStale()) await renewal
      if (mine === tokens && isStale()) await renewOnce()
      return mine === tokens ? mine.access : null
    },

    /** @returns {number | null} */
    get userId() {
      return tokens ? personOf(tokens) : null
    },

    /** @param {() => void} listener @returns {() => void} */
    subscribe(listener) {
      const entry = () => listener()
      listeners.add(entry)
      return () => void listeners.delete(entry)
    },
  }
}

/** @param {Tokens} tokens */
function personOf({ access }) {
  return Number(claims(access).user_id)
}

/** @param {string | null | undefined} text @returns {Tokens | null} */
function parse(text) {
  try {
    const tokens = JSON.parse(text ?? 'null')
    return typeof tokens?.access === 'string' && typeof tokens.refresh === 'string' ? tokens : null
  } catch {
    return null
  }
}
