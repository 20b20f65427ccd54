import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startBrowser, until, watch } from './support/browser.js'
import { startCluster } from './support/cluster.js'
import { createPerson, openClient, received, upTo } from './support/people.js'

const { url } = await startCluster()
const browser = await startBrowser()

/** Opens tabs of one browser that show the same person. @param {number} count */
async function openTabs(count) {
  const [reader, writer] = [await createPerson(url, 'reader'), await createPerson(url, 'writer')]
  const context = await browser.newContext()
  /** @type {{ page: import('playwright-core').Page, sockets: any[], role: () => Promise<string> }[]} */
  const tabs = []
  for (let index = 0; index < count; index++) {
    const page = await context.newPage()
    const { sockets } = watch(page)
    await openClient(page, url, reader, { share: true })
    tabs.push({ page, sockets, role: () => page.evaluate(() => /** @type {any} */ (window).client.status.tab) })
  }
  let written = 0
  return {
    context,
    tabs,
    write: () => writer.rest.sendMessage({ receiver_id: reader.id, content: `message ${++written}` }),
    sockets: () => tabs.flatMap(({ sockets }) => sockets).length,
  }
}

/** @param {Awaited<ReturnType<typeof openTabs>>['tabs']} tabs */
async function leaderAmong(tabs) {
  const roles = () => Promise.all(tabs.map(({ role }) => role()))
  const index = await until(async () => (await roles()).indexOf('leads') + 1, 'one of them leads')
  return /** @type {typeof tabs[number]} */ (tabs[index - 1])
}

test('ten tabs share one socket, and lose no event when the leading tab is closed or crashes', async () => {
  const { context, tabs, write, sockets } = await openTabs(10)
  assert.equal(sockets(), 1)
  await write()
  await write()
  for (const { page } of tabs) assert.deepEqual(await received(page, 2), [1, 2])

  // Closed: messages are sent while no tab has a socket, or the next leader has just opened it.
  const closed = await leaderAmong(tabs)
  await Promise.all([closed.page.close(), write(), write()])
  const nine = tabs.filter((tab) => tab !== closed)
  for (const { page } of nine) assert.deepEqual(await received(page, 4), upTo(4))
  assert.equal(sockets(), 2)

  // Crashed: its process is killed, so no handler of the page runs.
  const crashed = await leaderAmong(nine)
  const session = await context.newCDPSession(crashed.page)
  const ended = new Promise((resolve) => crashed.page.once('crash', resolve))
  session.send('Page.crash').catch(() => {})
  await Promise.all([ended, write(), write()])
  const eight = []
  for (const tab of nine) if (tab !== crashed && (await isAlive(tab.page))) eight.push(tab)
  assert(eight.length >= 2, `${eight.length} tabs had a process of their own`)
  for (const { page } of eight) assert.deepEqual(await received(page, 6), upTo(6))
  await write()
  for (const { page } of eight) assert.deepEqual(await received(page, 7), upTo(7))
  assert.equal(sockets(), 3)
  await context.close()
})

/** Returns false for a tab whose process has crashed; several tabs may share one. @param {import('playwright-core').Page} page */
async function isAlive(page) {
  return Promise.race([page.evaluate(() => true).catch(() => false), new Promise((resolve) => setTimeout(resolve, 2000, false))])
}

test('with sharing disabled each tab has its own socket', async () => {
  const { context, tabs, sockets } = await openTabs(1)
  const [tab] = tabs
  assert(tab)
  await tab.page.evaluate(async () => {
    const own = /** @type {any} */ (window)
    const { createClient } = await import(/** @type {any} */ ('/demo/client/index.js'))
    const other = createClient({ share: false, getToken: own.tokenOf })
    await new Promise((resolve) => {
      other.subscribe((/** @type {any} */ { state }) => state === 'live' && resolve(undefined))
      other.connect()
    })
  })
  assert.equal(sockets(), 2)
  await context.close()
})
