/** Chromium, and pages that count their sockets. */

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
 * Follows the sockets of a page, and what it complains about.
 *
 * @param {import('playwright-core').Page} page
 */
export function watch(page) {
  /** @type {import('playwright-core').WebSocket[]} */
  const sockets = []
  /** @type {string[]} */
  const faults = []
  page.on('websocket', (socket) => sockets.push(socket))
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text())
  })
  return {
    sockets,
    faults,
    get open() {
      return sockets.filter((socket) => !socket.isClosed())
    },
  }
}

/**
 * Waits until the probe answers truly, and answers that. For what no event of the browser tells.
 *
 * @template Value
 * @param {() => Value | Promise<Value>} probe
 * @param {string} what for the error
 * @param {number} [limitMs]
 * @returns {Promise<Value>}
 */
export async function until(probe, what, limitMs = 15_000) {
  for (const end = Date.now() + limitMs; Date.now() < end; ) {
    const value = await probe()
    if (value) return value
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`not within ${limitMs} ms: ${what}`)
}
