/** Accounts of the service, each with a REST client of its own, in Node.js. */

import { createRest } from '../../src/rest.js'

let count = 0

/** Creates an account and signs in. @param {string} url @param {string} [name] */
export async function createPerson(url, name = 'person') {
  const username = `${name}-${process.pid}-${++count}`
  const account = { username, email: `${username}@example.org`, password: 'correct horse' }
  const rest = createRest({ url })
  const { user } = await rest.signUp(account)
  await rest.signIn(account)
  return { ...account, id: user.id, rest, token: async () => /** @type {string} */ (await rest.accessToken()) }
}

/** @typedef {Awaited<ReturnType<typeof createPerson>>} Account */

/**
 * Opens a page of the service's origin with a client for the account, in `window.client`, and
 * records its events in `window.received` and its states in `window.states`.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} url
 * @param {Account} account
 * @param {{ share?: boolean, socketUrl?: string, timings?: object, cursor?: number }} [options]
 */
export async function openClient(page, url, account, options = {}) {
  await page.goto(`${url}/demo/client/index.js`)
  await page.exposeFunction('tokenOf', (/** @type {any} */ request) => account.rest.accessToken(request))
  await page.evaluate(async ({ socketUrl, ...options }) => {
    const { createClient } = await import(/** @type {any} */ ('/demo/client/index.js'))
    const own = /** @type {any} */ (window)
    own.received = []
    own.states = []
    own.client = createClient({ share: false, ...options, url: socketUrl, getToken: own.tokenOf })
    own.client.on('*', (/** @type {any} */ data, /** @type {any} */ { seq, type }) => {
      own.received.push({ seq, type, content: data?.content, at: Date.now() })
    })
    own.client.subscribe((/** @type {any} */ { state }) => own.states.push(state))
    own.client.connect()
  }, options)
  await live(page)
}

/** Waits until the client of the page is live. @param {import('playwright-core').Page} page @param {number} [timeout] */
export async function live(page, timeout = 15_000) {
  await page.waitForFunction(() => /** @type {any} */ (window).client.status.state === 'live', null, { timeout, polling: 20 })
}

/**
 * Waits until the page has received that many events, and returns their numbers. What has no number
 * is no event.
 *
 * @param {import('playwright-core').Page} page
 * @param {number} count
 */
export async function received(page, count) {
  await page.waitForFunction(
    (count) => /** @type {any} */ (window).received.filter((/** @type {any} */ { seq }) => seq !== undefined).length >= count,
    count,
    { timeout: 15_000, polling: 20 },
  )
  const seqs = await page.evaluate(() => /** @type {any} */ (window).received.map((/** @type {any} */ { seq }) => seq))
  return seqs.filter((/** @type {unknown} */ seq) => seq !== undefined)
}

/** 1, 2, … */
export const upTo = (/** @type {number} */ count) => Array.from({ length: count }, (_, index) => index + 1)
