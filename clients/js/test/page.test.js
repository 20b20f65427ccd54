import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settled } from './support/service.js'
import { start } from './support/start.js'

/** Simulates a page: a window with events of the network, a document that is visible or not. @param {import('node:test').TestContext} t */
function openPage(t) {
  const page = new EventTarget()
  const network = { onLine: true }
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  const before = { navigator: Object.getOwnPropertyDescriptor(globalThis, 'navigator') }
  Object.defineProperty(globalThis, 'navigator', { value: network, configurable: true })
  Object.assign(globalThis, {
    document,
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page),
  })
  t.after(() => {
    for (const name of ['document', 'addEventListener', 'removeEventListener']) delete (/** @type {any} */ (globalThis)[name])
    if (before.navigator) Object.defineProperty(globalThis, 'navigator', before.navigator)
    else delete (/** @type {any} */ (globalThis).navigator)
  })
  return {
    setNetwork(/** @type {boolean} */ isOnline) {
      network.onLine = isOnline
      page.dispatchEvent(new Event(isOnline ? 'online' : 'offline'))
    },
    hint(/** @type {string} */ type) {
      for (const target of [page, document]) target.dispatchEvent(new Event(type))
    },
    show(/** @type {boolean} */ isVisible) {
      document.visibilityState = isVisible ? 'visible' : 'hidden'
      document.dispatchEvent(new Event('visibilitychange'))
    },
  }
}

test('the return of the network ends a wait at once', async (t) => {
  const page = openPage(t)
  const { service, client } = start(t)
  await settled()
  service.socket.establish(4)
  page.setNetwork(false)
  service.socket.end(1006)
  assert.equal(client.status.state, 'offline')
  page.setNetwork(true)
  await settled()
  assert.equal(service.sockets.length, 2)
  assert.equal(service.socket.cursor, '4')
})

test('a network that is lost while waiting shows in the status', async (t) => {
  const page = openPage(t)
  const { service, client } = start(t)
  await settled()
  service.socket.end(1006)
  const { nextAttemptAt } = client.status
  page.setNetwork(false)
  assert.equal(client.status.state, 'offline')
  assert.equal(client.status.nextAttemptAt, nextAttemptAt, 'a browser can be wrong, so attempts continue')
})

test('a page that becomes visible makes an attempt at once', async (t) => {
  const page = openPage(t)
  const { service } = start(t)
  await settled()
  service.socket.end(1006)
  page.show(false)
  await settled()
  assert.equal(service.sockets.length, 1)
  page.show(true)
  await settled()
  assert.equal(service.sockets.length, 2)
})

test('a live connection is pinged when the page becomes visible', async (t) => {
  const page = openPage(t)
  const { service } = start(t)
  await settled()
  service.socket.establish(0)
  page.show(true)
  assert.deepEqual(service.socket.received, [{ type: 'ping' }])
})

for (const [name, hint] of /** @type {const} */ ([
  ['shown again from the history', 'pageshow'],
  ['thawed', 'resume'],
])) {
  test(`a page that is ${name} replaces a socket that no longer works within a second`, async (t) => {
    const page = openPage(t)
    const { service } = start(t)
    await settled()
    service.socket.establish(7)
    page.hint(hint)
    assert.deepEqual(service.socket.received, [{ type: 'ping' }])
    t.mock.timers.tick(1000)
    await settled()
    assert.equal(service.sockets.length, 2)
    assert.equal(service.socket.cursor, '7')
  })
}

test('on a slow line a page that becomes visible waits for the pong as long as the line needs', async (t) => {
  const page = openPage(t)
  const { service } = start(t)
  await settled()
  t.mock.timers.tick(1000)
  service.socket.establish(0)
  page.show(true)
  t.mock.timers.tick(3999)
  service.socket.deliver({ type: 'pong' })
  t.mock.timers.tick(4000)
  await settled()
  assert.equal(service.sockets.length, 1)
})

test('an attempt that hangs since before the network changed is replaced', async (t) => {
  const page = openPage(t)
  const { service } = start(t)
  await settled()
  t.mock.timers.tick(2001)
  page.setNetwork(true)
  await settled()
  assert.equal(service.sockets.length, 2)
  assert.equal(service.open.length, 1)
})

for (const [name, end] of /** @type {const} */ ([
  ['close', (/** @type {any} */ { client }) => client.close()],
  ['a refusal', (/** @type {any} */ { service }) => service.socket.end(4001, 'user inactive')],
])) {
  test(`nothing wakes a client after ${name}`, async (t) => {
    const page = openPage(t)
    const started = start(t)
    await settled()
    end(started)
    page.setNetwork(false)
    page.setNetwork(true)
    page.show(true)
    t.mock.timers.tick(600_000)
    await settled()
    assert.equal(started.service.sockets.length, 1)
  })
}

test('no hint shortens the pause that the service required, but connect does', async (t) => {
  const page = openPage(t)
  const { service, client } = start(t)
  await settled()
  service.socket.end(4029, 'too many sockets')
  t.mock.timers.tick(29_999)
  page.setNetwork(false)
  assert.equal(client.status.state, 'offline')
  page.setNetwork(true)
  page.show(true)
  await settled()
  assert.equal(client.status.state, 'waiting')
  assert.equal(service.sockets.length, 1)
  t.mock.timers.tick(1)
  page.show(true)
  await settled()
  assert.equal(service.sockets.length, 2, 'after the minimum wait a hint counts again')
  service.socket.end(4029, 'too many sockets')
  client.connect()
  await settled()
  assert.equal(service.sockets.length, 3)
})
