/** One origin, as tests open it: its tabs share locks and channels, and one service. */

import { beforeEach } from 'node:test'
import { createClient } from '../../src/index.js'
import { createLocks } from './locks.js'
import { createService, settled, tokenOf } from './service.js'
import { stopClock } from './start.js'

/** Who is signed in. Each test has somebody of its own, and so a channel of its own. */
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

const groupOf = (/** @type {number} */ id) => `numeneon wss://api.example.org/ws/notifications/ ${id}`

/** Takes the lead and answers nothing, as a tab does that the browser froze. @param {number} id */
export async function leadSilently(id) {
  navigator.locks.request(groupOf(id), { steal: true }, () => new Promise(() => {})).catch(() => {})
  await settled()
}

/** The channel of a group, to say what a leader would. @param {import('node:test').TestContext} t @param {number} id */
export function channelOf(t, id) {
  const channel = new BroadcastChannel(groupOf(id))
  t.after(() => channel.close())
  /** @type {any[]} */
  const said = []
  channel.onmessage = (/** @type {any} */ { data }) => said.push(data)
  return { channel, said }
}
