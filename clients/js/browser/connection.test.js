import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quickerThan, startBrowser, until, watch } from './support/browser.js'
import { ACCESS_TOKEN_SECONDS, startCluster } from './support/cluster.js'
import { createPerson, live, openClient, received, upTo } from './support/people.js'
import { startProxy } from './support/proxy.js'

const { url, cluster } = await startCluster()
const browser = await startBrowser()

/** Opens a page with a client of a new account, the reader, and creates another that writes to it. @param {any} [options] */
async function setUp(options) {
  const [reader, writer] = [await createPerson(url, 'reader'), await createPerson(url, 'writer')]
  const page = await (await browser.newContext()).newPage()
  const watched = watch(page)
  await openClient(page, url, reader, options)
  let written = 0
  const write = () => writer.rest.sendMessage({ receiver_id: reader.id, content: `message ${++written}` })
  return { reader, writer, page, watched, write, end: () => page.context().close() }
}

test('when a token expires the socket stays open, and the next one has a fresh token', async () => {
  const { page, watched, write, end } = await setUp({ timings: { pingMs: 1000 } })
  const opened = Date.now()
  await until(() => Date.now() - opened > (ACCESS_TOKEN_SECONDS + 1) * 1000, 'the token has expired')
  await write()
  assert.deepEqual(await received(page, 1), [1])
  assert.equal(watched.sockets.length, 1)
  await page.evaluate(() => {
    const { client } = /** @type {any} */ (window)
    client.close()
    client.connect()
  })
  await live(page)
  await write()
  assert.deepEqual(await received(page, 2), [1, 2])
  assert.equal(watched.sockets.length, 2)
  await end()
})

test('an expired token is refused with 4001, and replaced', async () => {
  const { reader, page, watched, end } = await setUp()
  const stale = await reader.token()
  const since = Date.now()
  await until(() => Date.now() - since > (ACCESS_TOKEN_SECONDS + 1) * 1000, 'the token has expired')
  const { tokenRequests, states } = await page.evaluate(async (stale) => {
    const { createClient } = await import(/** @type {any} */ ('/demo/client/index.js'))
    const own = /** @type {any} */ (window)
    /** @type {any[]} */
    const tokenRequests = []
    /** @type {string[]} */
    const states = []
    const client = createClient({
      share: false,
      getToken: (/** @type {any} */ request) => {
        tokenRequests.push(request)
        return request.refused ? own.tokenOf(request) : stale
      },
    })
    await new Promise((resolve) => {
      client.subscribe((/** @type {any} */ { state }) => {
        states.push(state)
        if (state === 'live' || state === 'refused') resolve(undefined)
      })
      client.connect()
    })
    const reached = [...states]
    client.close()
    return { tokenRequests, states: reached }
  }, stale)
  assert.deepEqual(tokenRequests, [{}, { refused: 'token expired' }])
  assert.equal(states.at(-1), 'live')
  assert.deepEqual(watched.sockets.map((socket) => new URL(socket.url()).search), ['', '', ''])
  await end()
})

for (const [token, reason] of /** @type {const} */ ([['junk', 'token invalid'], ['a.b.c', 'token invalid']])) {
  test(`a page gets the reason why '${token}' is refused, and stops`, async () => {
    const page = await (await browser.newContext()).newPage()
    const { sockets } = watch(page)
    await page.goto(`${url}/demo/client/index.js`)
    const status = await page.evaluate(async (token) => {
      const { createClient } = await import(/** @type {any} */ ('/demo/client/index.js'))
      const client = createClient({ share: false, getToken: () => token })
      return new Promise((resolve) => {
        client.subscribe((/** @type {any} */ status) => status.state === 'refused' && resolve(status))
        client.connect()
      })
    }, token)
    assert.equal(/** @type {any} */ (status).reason, reason)
    assert.equal(sockets.length, 1)
    await page.context().close()
  })
}

test('messages sent during a network loss arrive within a second of its return, once and in order', async () => {
  await quickerThan(1000, async () => {
    const proxy = await startProxy(url)
    const { page, write, end } = await setUp({ socketUrl: proxy.url })
    await write()
    await received(page, 1)
    proxy.disconnect()
    await page.context().setOffline(true)
    await page.waitForFunction(() => /** @type {any} */ (window).client.status.state === 'offline')
    for (let count = 0; count < 5; count++) await write()
    proxy.restore()
    const returned = Date.now()
    await page.context().setOffline(false)
    assert.deepEqual(await received(page, 6), upTo(6))
    const last = await page.evaluate(() => /** @type {any} */ (window).received.at(-1).at)
    await end()
    return last - returned
  })
})

test('a network that drops everything silently is noticed by a missing pong', async () => {
  const proxy = await startProxy(url)
  const { page, write, end } = await setUp({ socketUrl: proxy.url, timings: { pingMs: 300, pongMs: 300 } })
  proxy.stall()
  await page.waitForFunction(() => /** @type {any} */ (window).client.status.reason === 'no answer')
  await write()
  proxy.restore()
  assert.deepEqual(await received(page, 1), [1])
  await end()
})

test('a socket that died in silence is replaced within 2 s of the return of the network', async () => {
  await quickerThan(2000, async () => {
    const proxy = await startProxy(url)
    const { page, write, end } = await setUp({ socketUrl: proxy.url })
    await page.context().setOffline(true)
    proxy.stall()
    await write()
    proxy.restore()
    const returned = Date.now()
    await page.context().setOffline(false)
    assert.deepEqual(await received(page, 1), [1])
    const last = await page.evaluate(() => /** @type {any} */ (window).received.at(-1).at)
    await end()
    return last - returned
  })
})

test('when an instance is killed no event is lost', async () => {
  const { reader, page, write, end } = await setUp()
  const lost = () => page.evaluate(() => /** @type {any} */ (window).states.includes('waiting'))
  // nginx responds with 502 for a second when both have failed; a request may be lost with its instance.
  const writeWithRetries = () => until(() => write().catch(() => null), 'a message is accepted')
  for (const instance of ['1', '2']) {
    await cluster('kill-instance', instance)
    await writeWithRetries()
    await writeWithRetries()
    await cluster('start-instance', instance)
    await live(page)
    if (await lost()) break
  }
  assert(await lost(), 'the socket was at one of the two')
  const { last_seq } = await reader.rest.notifications()
  assert(last_seq >= 2)
  assert.deepEqual(await received(page, last_seq), upTo(last_seq))
  await end()
})

test('during a rolling restart under load no event is lost, repeated or reordered, and no request fails', async () => {
  const { page, write, end } = await setUp()
  let isFinished = false
  let acknowledged = 0
  const load = (async () => {
    while (!isFinished) {
      await write()
      acknowledged++
    }
  })()
  await cluster('rolling-restart')
  isFinished = true
  await load
  assert(acknowledged > 20, `${acknowledged} messages`)
  assert.deepEqual(await received(page, acknowledged), upTo(acknowledged))
  const states = await page.evaluate(() => /** @type {any} */ (window).states)
  assert(states.includes('waiting'), 'its instance was restarted')
  await end()
})

test('a plain WebSocket with the token in the query works as before', async () => {
  const { reader, page, write, end } = await setUp()
  const frames = page.evaluate(
    (token) =>
      new Promise((resolve) => {
        /** @type {any[]} */
        const frames = []
        const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/ws/notifications/?token=${token}`)
        socket.onmessage = ({ data }) => {
          if (frames.push(JSON.parse(data)) === 2) resolve({ frames, protocol: socket.protocol })
        }
        socket.onopen = () => /** @type {any} */ (window).plainIsOpen = true
      }),
    await reader.token(),
  )
  await page.waitForFunction(() => /** @type {any} */ (window).plainIsOpen)
  await write()
  const { frames: [first, second], protocol } = /** @type {any} */ (await frames)
  assert.equal(protocol, '')
  assert.equal(first.type, 'connection_established')
  assert.equal(second.type, 'new_message')
  assert.equal(second.data.content, 'message 1')
  await end()
})
