/**
 * A store is one screen's part of what the service knows, kept as a fresh request would show it: a
 * snapshot that was loaded, and the events after it.
 *
 * A snapshot names the number of the inbox at which it was read. Events up to that number are in it;
 * later ones are applied, in order, also those that came while it was on its way. It is kept current
 * while it has a listener; a load that fails is repeated until one succeeds.
 */

import { backoffMs } from './backoff.js'
import { isolate, Listeners } from './listeners.js'
import { retryAfterMs } from './rest-error.js'

/** @import { Screens } from './stores.js' */
/** @import { Frame } from './types.js' */

/** The waits between loads that fail. A connection that becomes live ends them. */
const RETRY = { backoffMinMs: 1000, backoffMaxMs: 30_000 }

/**
 * Sends a request below `/api/`; with `withSeq` it resolves with the body and the inbox number.
 *
 * @typedef {(method: string, path: string, body?: object, options?: { key?: string, withSeq?: boolean }) =>
 *   Promise<any>} Request
 */

/** @typedef {{ isLoading: boolean, error: Error | null }} Loading `error` is why the last request failed */

/** @template {object} Data */
export class Store {
  /** @type {Data & Loading} */
  #state
  /** @type {Listeners<() => void>} */
  #listeners = new Listeners()
  /** Remove the handlers that this store has added to the client. @type {(() => void)[]} */
  #removers = []
  /** The number at which the snapshot was read; not a number of a service that does not name it. */
  #seq = NaN
  /** What came since the load in progress began. @type {Frame[] | undefined} */
  #frames
  /** Increased when a load that is in progress becomes stale. */
  #generation = 0
  #failures = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer
  #name
  /** Whether there is a snapshot to which events apply. */
  isLoaded = false
  /** Whether a new connection makes the snapshot stale: what is shown changes without numbered events too. */
  isVolatile = true

  /**
   * @param {Screens} screens
   * @param {string} name under which what was shown last is kept for the next page
   * @param {Data} empty what is shown before there is anything
   */
  constructor(screens, name, empty) {
    this.screens = screens
    this.request = screens.request
    this.#name = name
    /** What a server renders. */
    this.empty = { ...empty, isLoading: true, error: null }
    this.#state = { ...this.empty, ...screens.cache.read(name), isLoading: true, error: null }
  }

  /** Loads a snapshot. @returns {Promise<{ data: Data, seq: number }>} */
  async load() {
    throw new Error('not implemented')
  }

  /**
   * Returns what an event makes of the data, or null if only the service knows.
   *
   * @param {Data} data
   * @param {Frame} _frame
   * @returns {Data | null}
   */
  apply(data, _frame) {
    return data
  }

  /** Never changed in place. */
  getSnapshot = () => this.#state

  /** Calls the listener at each change; returns the function that removes it. @param {() => void} listener */
  subscribe = (listener) => {
    const remove = this.#listeners.add(listener)
    if (!this.#removers.length) this.#start()
    return () => {
      remove()
      if (!this.#listeners.all().length) this.#stop()
    }
  }

  /** Loads it again, now. */
  reload = async () => {
    clearTimeout(this.#timer)
    const generation = ++this.#generation
    /** @type {Frame[]} */
    const frames = (this.#frames = [])
    this.set(/** @type {any} */ ({ isLoading: true }))
    try {
      const { data, seq } = await this.load()
      if (generation !== this.#generation) return
      this.#frames = undefined
      this.#failures = 0
      this.#seq = seq
      this.isLoaded = true
      this.set({ ...data, isLoading: false, error: null })
      for (const frame of frames) this.receive(frame)
    } catch (error) {
      if (generation !== this.#generation) return
      this.#frames = undefined
      this.#failed(error)
    }
  }

  /** Takes an event, or what this page has done itself. @param {Frame} frame */
  receive(frame) {
    this.#frames?.push(frame)
    // A frame without a number is a notice, and applies to whatever is shown.
    if (!this.isLoaded || Number(frame.seq) <= this.#seq) return
    const next = this.apply(this.#state, frame)
    // A load in progress is followed by what came meanwhile, and so by another one.
    if (!next) this.#frames ?? this.reload()
    else if (next !== this.#state) this.set(next)
  }

  /** Keeps what is shown for the next page. */
  save() {
    if (this.isLoaded) this.screens.cache.write(this.#name, this.#state)
  }

  /** @param {Partial<Data & Loading>} changes */
  set(changes) {
    this.#state = { ...this.#state, ...changes }
    for (const listener of this.#listeners.all()) isolate(listener)
  }

  /** Loads what is older, unless something is being loaded. @param {() => Promise<object>} load */
  async loadOlder(load) {
    if (this.#state.isLoading) return
    /** @type {any} */
    let changes = { isLoading: true }
    this.set(changes)
    try {
      changes = { ...(await load()), error: null }
    } catch (error) {
      changes = { error }
    }
    this.set({ ...changes, isLoading: false })
  }

  /** @param {any} error */
  #failed(error) {
    this.set(/** @type {any} */ ({ isLoading: false, error }))
    // The service has decided, and decides the same again.
    if (error.status >= 400 && error.status < 500 && error.status !== 429) return
    const waitMs = Math.max(retryAfterMs(error), backoffMs(this.#failures++, RETRY))
    this.#timer = setTimeout(this.reload, waitMs)
  }

  #start() {
    const { client } = this.screens
    this.#removers = [
      client.on('*', (_, frame) => (frame.type === 'resync_required' ? this.#startOver() : this.receive(frame))),
      client.subscribe(({ state }) => this.#onState(state)),
      ...this.watch(),
    ]
    this.#onState(client.status.state)
  }

  /** Watches what else changes this store; returns what ends that. @returns {(() => void)[]} */
  watch() {
    return []
  }

  /** @param {string} state of the connection */
  #onState(state) {
    // What happens between a response and the first frame would be in neither, so the request comes
    // second. Without a connection the page shows what there is; the next one loads it again.
    const isStale = !this.isLoaded || this.isVolatile || this.#state.error
    const isFirst = !this.isLoaded && !this.#frames && !this.#state.error
    if (state === 'live' ? isStale : isFirst && !['connecting', 'closed'].includes(state)) void this.reload()
  }

  /** Events are missing, and the numbers may have begun again: nothing of before counts. */
  #startOver() {
    this.isLoaded = false
    void this.reload()
  }

  #stop() {
    this.save()
    for (const remove of this.#removers) remove()
    this.#removers = []
    clearTimeout(this.#timer)
    // What is shown stays for a component that comes back, until it is loaded again.
    this.#generation++
    this.#frames = undefined
    this.isLoaded = false
  }
}
