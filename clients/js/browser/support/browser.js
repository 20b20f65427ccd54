/** Chromium, and pages whose sockets and errors are recorded. */

import assert from 'node:assert/strict'
import { after } from 'node:test'
import { chromium } from 'playwright-core'

export const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Starts Chromium until the end of this file's tests. */
export async function startBrowser() {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ARGS })
  after(() => browser.close())
  return browser
}

/**
 * Records the sockets of a page, and its errors.
 *
 * @param {import('playwright-core').Page} page
 */
export function watch(page) {
  /** @type {import('playwright-core').WebSocket[]} */
  const sockets = []
  /** @type {string[]} */
  const errors = []
  page.on('websocket', (socket) => sockets.push(socket))
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  return {
    sockets,
    errors,
    get open() {
      return sockets.filter((socket) => !socket.isClosed())
    },
  }
}

/**
 * Waits until the probe returns a truthy value, and returns it. For conditions for which the browser has no event.
 *
 * @template Value
 * @param {() => Value | Promise<Value>} probe
 * @param {string} condition for the error message
 * @param {number} [timeoutMs]
 * @returns {Promise<Value>}
 */
export async function until(probe, condition, timeoutMs = 15_000) {
  for (const end = Date.now() + timeoutMs; Date.now() < end; ) {
    const value = await probe()
    if (value) return value
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`not within ${timeoutMs} ms: ${condition}`)
}

/**
 * Runs a scenario, which returns a time, until a run is quicker than the bound; fails if none of
 * three is. A busy machine can only add to what the service takes, so if the service meets the
 * bound, one of a few runs does.
 *
 * @param {number} boundMs
 * @param {() => Promise<number>} scenario
 */
export async function quickerThan(boundMs, scenario) {
  let quickestMs = Infinity
  for (let run = 0; run < 3 && quickestMs >= boundMs; run++) quickestMs = Math.min(quickestMs, await scenario())
  assert(quickestMs < boundMs, `${quickestMs} ms`)
}
