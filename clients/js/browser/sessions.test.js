import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startBrowser, until, watch } from './support/browser.js'
import { startCluster } from './support/cluster.js'
import { createPerson } from './support/people.js'

const { url } = await startCluster()
const browser = await startBrowser()

/**
 * A device of somebody: a browser of its own, signed in by itself, with a page that has a REST client and a socket.
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
      own.rest = createRest({ storage: localStorage })
      await own.rest.signIn({ email, password })
      own.client = createClient({ share: false, ...(tickets ? { getTicket: own.rest.socketTicket } : { getToken: own.rest.accessToken }) })
      own.heard = []
      own.client.on('new_message', (/** @type {any} */ data) => own.heard.push(data.content))
      own.client.connect()
    },
    { email, password, tickets },
  )
  const device = {
    page,
    watched,
    /** @returns {Promise<{ state: string, reason: string | null, userId: number | null, heard: string[] }>} */
    now: () =>
      page.evaluate(() => {
        const { client, rest, heard } = /** @type {any} */ (window)
        return { state: client.status.state, reason: client.status.reason, userId: rest.userId, heard }
      }),
    /** Calls a function of the page's REST client. @param {string} name @param {any} [argument] */
    rest: (name, argument) =>
      page.evaluate(([name, argument]) => /** @type {any} */ (window).rest[name](argument), /** @type {const} */ ([name, argument])),
    end: () => page.context().close(),
  }
  await until(async () => (await device.now()).state === 'live', 'the device is live')
  return device
}

test('a logout everywhere in one page closes the socket of another and signs it out', async () => {
  const ada = await createPerson(url, 'ada')
  const [phone, laptop] = [await openDevice(ada), await openDevice(ada)]
  const since = Date.now()
  await phone.rest('logoutAll')
  await until(() => laptop.watched.open.length === 0, 'its socket is closed')
  const tookMs = Date.now() - since
  assert(tookMs < 1000, `${tookMs} ms`)
  for (const { now } of [phone, laptop]) {
    await until(async () => (await now()).userId === null, 'nobody is signed in there')
    await until(async () => (await now()).state === 'refused', 'and it says so')
  }
  assert.equal((await laptop.now()).reason, 'signed out')
  assert.equal(laptop.watched.sockets.length, 1, 'it did not come back with what it had')
  await Promise.all([phone.end(), laptop.end()])
})

test('a change of password signs the other devices out, and this one goes on', async () => {
  const [ada, bob] = [await createPerson(url, 'ada'), await createPerson(url, 'bob')]
  const [phone, laptop] = [await openDevice(ada), await openDevice(ada)]
  await phone.rest('changePassword', { old_password: ada.password, new_password: 'a better horse' })
  await until(async () => (await laptop.now()).userId === null, 'the other one is signed out')
  await until(async () => phone.watched.sockets.length === 2 && (await phone.now()).state === 'live', 'this one came back')
  assert.equal((await phone.now()).userId, ada.id)
  await bob.rest.sendMessage({ receiver_id: ada.id, content: 'still there?' })
  await until(async () => (await phone.now()).heard.length === 1, 'it hears')
  await Promise.all([phone.end(), laptop.end()])
})

test('a socket opens with a ticket, and each further one with another', async () => {
  const [ada, bob] = [await createPerson(url, 'ada'), await createPerson(url, 'bob')]
  const device = await openDevice(ada, { tickets: true })
  await device.page.evaluate(() => {
    const { client } = /** @type {any} */ (window)
    client.close()
    client.connect()
  })
  await until(async () => (await device.now()).state === 'live', 'it is live again')
  await bob.rest.sendMessage({ receiver_id: ada.id, content: 'hello' })
  await until(async () => (await device.now()).heard.length === 1, 'it hears')
  const tickets = device.watched.sockets.map((socket) => new URL(socket.url()).searchParams.get('ticket'))
  assert.equal(new Set(tickets).size, 2)
  assert(tickets.every(Boolean))
  await device.end()
})
