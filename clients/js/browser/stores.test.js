/** The stores against the real service: after each change every screen shows what a fresh request would show. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quickerThan, startBrowser, until, watch } from './support/browser.js'
import { startCluster } from './support/cluster.js'
import { createPerson } from './support/people.js'

const { url, cluster } = await startCluster()
const browser = await startBrowser()

/** @typedef {Awaited<ReturnType<typeof createPerson>>} Account */

/** Signs in, unless that was done before, and shows all screens, with the conversation of `openId` if there is one. */
const SHOW = async (/** @type {{ email: string, password: string, openId: number | null }} */ { email, password, openId }) => {
  const load = (/** @type {string} */ name) => import(/** @type {any} */ (`/demo/client/${name}.js`))
  const [{ createRest }, { createClient }, { createStores }] = await Promise.all(['rest', 'index', 'stores'].map(load))
  const own = /** @type {any} */ (window)
  own.rest = createRest({ storage: 'local' })
  if (!own.rest.userId) await own.rest.signIn({ email, password })
  own.client = createClient({ getToken: own.rest.accessToken, storage: 'local' })
  own.stores = createStores({ client: own.client, request: own.rest.request, user: own.rest.userId, storage: 'local' })
  own.shown = { conversations: own.stores.conversations, friends: own.stores.friends, inbox: own.stores.inbox }
  if (openId) own.shown.messages = own.stores.messages(openId)
  for (const store of Object.values(own.shown)) store.subscribe(() => {})
  own.first = Object.fromEntries(Object.entries(own.shown).map(([name, store]) => [name, store.getSnapshot()]))
  own.openId = openId
  own.client.connect()
}

/**
 * Opens a device of an account.
 *
 * @param {Account} account
 * @param {number | null} [openId] with whom a conversation is open on it
 */
async function openDevice({ email, password }, openId = null) {
  const context = await browser.newContext()
  const page = await context.newPage()
  const { errors } = watch(page)
  const show = async () => {
    await page.goto(`${url}/demo/client/index.js`)
    await page.evaluate(SHOW, { email, password, openId })
  }
  const device = {
    context,
    page,
    errors,
    show,
    /** What a store shows. @param {string} name @returns {Promise<any>} */
    shows: (name) => page.evaluate((name) => /** @type {any} */ (window).shown[name].getSnapshot(), name),
    send: (/** @type {string} */ content) => page.evaluate((content) => /** @type {any} */ (window).shown.messages.send(content), content),
    /** Which screens differ from a fresh request. */
    differences: () =>
      page.evaluate(async () => {
        const { rest, shown, openId } = /** @type {any} */ (window)
        const fresh = {
          conversations: { conversations: await rest.conversations() },
          friends: { friends: await rest.friends(), requests: await rest.friendRequests() },
          inbox: await rest.notifications().then((/** @type {any} */ { results, unread_count }) => ({ notifications: results, unreadCount: unread_count })),
          messages: openId && { messages: await rest.conversation(openId), unsent: [] },
        }
        const sorted = (/** @type {any} */ value) =>
          JSON.stringify(value, (key, inner) => {
            // The time at which an event was stored is not in its frame.
            if (key === 'created_at' || key === 'isLoading' || key === 'error') return undefined
            return inner && typeof inner === 'object' && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort()) : inner
          })
        const found = []
        for (const [name, store] of Object.entries(shown)) {
          const state = store.getSnapshot()
          for (const [part, value] of Object.entries(/** @type {any} */ (fresh)[name])) {
            if (sorted(state[part]) !== sorted(value)) found.push(`${name}.${part}: ${sorted(state[part])} instead of ${sorted(value)}`)
          }
        }
        return found
      }),
  }
  await show()
  await until(async () => !(await device.shows('conversations')).isLoading, 'it is loaded')
  return device
}

/** @param {Awaited<ReturnType<typeof openDevice>>[]} devices */
async function allRight(devices) {
  for (const device of devices) {
    /** @type {string[]} */
    let differences = []
    await until(async () => !(differences = await device.differences()).length, 'every screen is right').catch(() => {})
    assert.deepEqual(differences, [])
  }
}

test('what is sent, read, accepted and removed shows on every device within a second', async () => {
  await quickerThan(1000, async () => {
    const [ada, bob] = [await createPerson(url, 'ada'), await createPerson(url, 'bob')]
    const [phone, tablet, bobs] = [await openDevice(ada, bob.id), await openDevice(ada), await openDevice(bob, ada.id)]
    await bob.rest.requestFriend(ada.id)
    await until(async () => (await tablet.shows('friends')).requests.length, 'the request shows')
    await phone.page.evaluate(() => {
      const { friends } = /** @type {any} */ (window).shown
      return friends.accept(friends.getSnapshot().requests[0].id)
    })
    await until(async () => (await tablet.shows('friends')).friends.length, 'the friend shows on the other device')
    await bobs.send('hello')
    await bobs.send('are you there?')
    // The conversation is open on the phone, so it is read there, and then everywhere.
    await until(async () => (await tablet.shows('conversations')).conversations[0]?.last_message.is_read, 'it is read on the other device')
    await until(async () => (await bobs.shows('messages')).messages.at(-1)?.is_read, 'its sender sees that it is read')
    const since = Date.now()
    await phone.send('I am')
    await until(async () => (await tablet.shows('conversations')).conversations[0].last_message.content === 'I am', 'the other device shows it')
    await until(async () => (await bobs.shows('messages')).messages.length === 3, 'it has arrived')
    const tookMs = Date.now() - since
    await ada.rest.removeFriend(bob.id)
    await until(async () => !(await bobs.shows('friends')).friends.length, 'the friendship has ended on both sides')
    await allRight([phone, tablet, bobs])
    for (const { errors, context } of [phone, tablet, bobs]) {
      // The page is a script, and has no icon.
      assert.deepEqual(errors.filter((error) => !error.includes('404')), [])
      await context.close()
    }
    return tookMs
  })
})

test('messages written without a network survive a reload, and arrive once and in order', async () => {
  const [ada, bob] = [await createPerson(url, 'ada'), await createPerson(url, 'bob')]
  const [phone, bobs] = [await openDevice(ada, bob.id), await openDevice(bob, ada.id)]
  await phone.send('zero')
  await until(async () => (await bobs.shows('messages')).messages.length === 1, 'it has arrived')
  await phone.page.route('**/api/messages/', (route) => route.abort())
  const contents = ['one', 'two', 'three', 'four', 'five']
  for (const content of contents) await phone.send(content)
  assert.deepEqual((await phone.shows('messages')).unsent.map((/** @type {any} */ { content }) => content), contents)
  await phone.show()
  const { messages } = await phone.page.evaluate(() => /** @type {any} */ (window).first)
  assert.deepEqual(messages.messages.map((/** @type {any} */ { content }) => content), ['zero'], 'shown before anything is loaded')
  assert.equal(messages.unsent.length, 5)
  await phone.page.unroute('**/api/messages/')
  await until(async () => (await bobs.shows('messages')).messages.length === 6, 'they have arrived')
  assert.deepEqual((await bobs.shows('messages')).messages.map((/** @type {any} */ { content }) => content), ['zero', ...contents])
  await allRight([phone, bobs])
  await Promise.all([phone.context.close(), bobs.context.close()])
})

test('what happened while an instance was killed shows when the connection is back', async () => {
  const [ada, bob] = [await createPerson(url, 'ada'), await createPerson(url, 'bob')]
  const [phone, tablet] = [await openDevice(ada, bob.id), await openDevice(ada)]
  for (const instance of ['1', '2']) {
    await cluster('kill-instance', instance)
    for (const content of ['during', 'the outage']) {
      await until(() => bob.rest.sendMessage({ receiver_id: ada.id, content }).catch(() => null), 'a message is accepted')
    }
    await cluster('start-instance', instance)
    await until(async () => (await phone.shows('messages')).messages.at(-1)?.is_read, 'it is shown and read')
  }
  await allRight([phone, tablet])
  await Promise.all([phone.context.close(), tablet.context.close()])
})
