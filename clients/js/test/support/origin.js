/** One origin for a test: its tabs share locks, channels and one service. */

import { beforeEach } from 'node:test'
import { createClient } from '../../src/index.js'
import { createLocks } from './locks.js'
import { createService, settled, tokenOf } from './service.js'
import { stopClock } from './start.js'

/** The id of who is signed in. Each test has a person of its own, and so a channel of its own. */
export let person = 100
beforeEach(() => {
  person++
  Object.defineProperty(globalThis, 'navigator', { value: { locks: createLocks() }, configurable: true })
})

/** @param {import('node:test').TestContext} t */
export function origin(t) {
  stopClock(t)
  const service = createService()
  /** @param {Partial<import('../../src/types.js').ClientOptions>} [options] */
  const openTab = async (options = {}) => {
    /** @type {any[]} */
    const events = []
    const client = createClient({
      url: 'https://api.example.org',
      getToken: () => tokenOf(person),
      WebSocket: service.WebSocket,
      ...options,
    })
    client.on('*', (_data, frame) => events.push(frame.seq ?? frame.type))
    t.after(() => client.close())
    client.connect()
    await settled()
    return { client, events, socket: service.sockets.at(-1) }
  }
  return { service, openTab }
}

const nameOf = (/** @type {number} */ id) => `numeneon wss://api.example.org/ws/notifications/ ${id}`

/** Takes the lead and does not respond, as a tab that the browser froze. @param {number} id */
export async function leadUnresponsively(id) {
  navigator.locks.request(nameOf(id), { steal: true }, () => new Promise(() => {})).catch(() => {})
  await settled()
}

/** Joins a person's channel, to post what a leader would. @param {import('node:test').TestContext} t @param {number} id */
export function channelOf(t, id) {
  const channel = new BroadcastChannel(nameOf(id))
  t.after(() => channel.close())
  /** @type {any[]} */
  const posted = []
  channel.onmessage = (/** @type {any} */ { data }) => posted.push(data)
  return { channel, posted }
}
