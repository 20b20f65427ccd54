import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quickerThan, startBrowser, until, watch } from './support/browser.js'
import { startCluster } from './support/cluster.js'
import { createPerson } from './support/people.js'

const { url } = await startCluster()
const browser = await startBrowser()

/**
 * Opens a device of an account: a browser with a session of its own, and a page with a REST client and a socket.
 *
 * @param {{ email: string, password: string }} account
 * @param {{ tickets?: boolean }} [options]
 */
async function openDevice({ email, password }, { tickets = false } = {}) {
  const page = await (await browser.newContext()).newPage()
  const watched = watch(page)
  await page.goto(`${url}/demo/client/index.js`)
  await page.evaluate(
    async ({ email, password, tickets }) => {
      const { createClient } = await import(/** @type {any} */ ('/demo/client/index.js'))
      const { createRest } = await import(/** @type {any} */ ('/demo/client/rest.js'))
      const own = /** @type {any} */ (window)
      own.rest = createRest({ storage: 'local' })
      await own.rest.signIn({ email, password })
      own.client = createClient({ share: false, ...(tickets ? { getTicket: own.rest.socketTicket } : { getToken: own.rest.accessToken }) })
      own.received = []
      own.client.on('new_message', (/** @type {any} */ data) => own.received.push(data.content))
      own.client.connect()
    },
    { email, password, tickets },
  )
  const device = {
    page,
    watched,
    /** @returns {Promise<{ state: string, reason: string | null, userId: number | null, received: string[] }>} */
    now: () =>
      page.evaluate(() => {
        const { client, rest, received } = /** @type {any} */ (window)
        return { state: client.status.state, reason: client.status.reason, userId: rest.userId, received }
      }),
    /** Calls a function of the page's REST client. @param {string} name @param {any} [argument] */
    rest: (name, argument) =>
      page.evaluate(([name, argument]) => /** @type {any} */ (window).rest[name](argument), /** @type {const} */ ([name, argument])),
    end: () => page.context().close(),
  }
  await until(async () => (await device.now()).state === 'live', 'the device is live')
  return device
}

test('a sign-out everywhere on one device closes the socket of another and signs it out', async () => {
  await quickerThan(1000, async () => {
    const ada = await createPerson(url, 'ada')
    const [phone, tablet] = [await openDevice(ada), await openDevice(ada)]
    const since = Date.now()
    await phone.rest('signOutEverywhere')
    await until(() => tablet.watched.open.length === 0, 'its socket is closed')
    const tookMs = Date.now() - since
    for (const { now } of [phone, tablet]) {
      await until(async () => (await now()).userId === null, 'nobody is signed in there')
      await until(async () => (await now()).state === 'refused', 'and its status says so')
    }
    assert.equal((await tablet.now()).reason, 'signed out')
    assert.equal(tablet.watched.sockets.length, 1, 'it did not reconnect with the tokens it had')
    await Promise.all([phone.end(), tablet.end()])
    return tookMs
  })
})

test('a change of password signs out the other devices, and this one continues', async () => {
  const [ada, bob] = [await createPerson(url, 'ada'), await createPerson(url, 'bob')]
  const [phone, tablet] = [await openDevice(ada), await openDevice(ada)]
  await phone.rest('changePassword', { old_password: ada.password, new_password: 'a better horse' })
  await until(async () => (await tablet.now()).userId === null, 'the other device is signed out')
  await until(async () => phone.watched.sockets.length === 2 && (await phone.now()).state === 'live', 'this device has reconnected')
  assert.equal((await phone.now()).userId, ada.id)
  await bob.rest.sendMessage({ receiver_id: ada.id, content: 'still there?' })
  await until(async () => (await phone.now()).received.length === 1, 'the message arrives')
  await Promise.all([phone.end(), tablet.end()])
})

test('each socket opens with a ticket of its own', async () => {
  const [ada, bob] = [await createPerson(url, 'ada'), await createPerson(url, 'bob')]
  const device = await openDevice(ada, { tickets: true })
  await device.page.evaluate(() => {
    const { client } = /** @type {any} */ (window)
    client.close()
    client.connect()
  })
  await until(async () => (await device.now()).state === 'live', 'it is live again')
  await bob.rest.sendMessage({ receiver_id: ada.id, content: 'hello' })
  await until(async () => (await device.now()).received.length === 1, 'the message arrives')
  const tickets = device.watched.sockets.map((socket) => new URL(socket.url()).searchParams.get('ticket'))
  assert.equal(new Set(tickets).size, 2)
  assert(tickets.every(Boolean))
  await device.end()
})
