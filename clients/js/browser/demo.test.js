import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quickerThan, startBrowser, until, watch } from './support/browser.js'
import { startCluster } from './support/cluster.js'
import { createRest } from '../src/rest.js'
import { demoPage } from './support/demo.js'

const { url } = await startCluster()
const browser = await startBrowser()

/** @param {import('playwright-core').BrowserContextOptions} [options] */
async function openDemo(options) {
  const page = await (await browser.newContext(options)).newPage()
  const watched = watch(page)
  await page.goto(`${url}/demo/`)
  return { page, ...watched, watched, ...demoPage(page) }
}

test('a name in another direction of writing turns nothing around it', async () => {
  const { page, left } = await openDemo()
  await left.signUp()
  const handle = (await left.root.getByText(/^@/).first().textContent())?.slice(1) ?? ''
  const rest = createRest({ url })
  const account = { username: `mallory-${process.pid}`, email: `mallory-${process.pid}@example.org`, password: 'correct horse' }
  await rest.signUp({ ...account, display_name: '\u05DE\u05DC\u05D5\u05E8\u05D9 (\u05DE)' })
  await rest.signIn(account)
  const [other] = await rest.search(handle)
  assert(other)
  await rest.requestFriend(other.id)
  await left.button(/^Accept/).click()
  await rest.sendMessage({ receiver_id: other.id, content: '\u202Eolleh \u05DE' })
  await left.contact.click()
  await left.root.locator('.bubble').waitFor()
  const { texts, outside } = await page.evaluate(() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    const [texts, outside] = [[''], ['']]
    while (walker.nextNode()) {
      const { parentElement, textContent } = walker.currentNode
      if (!parentElement || !textContent?.includes('\u05DE')) continue
      texts.push(textContent)
      if (!getComputedStyle(parentElement).unicodeBidi.includes('isolate')) outside.push(textContent)
    }
    return { texts, outside }
  })
  assert(texts.length > 4, `in the list, the title and the bubble: ${texts}`)
  assert.deepEqual(outside, [''])
  await page.context().close()
})

test('two people become friends, chat, lose the network, and miss no message', async () => {
  await quickerThan(1000, async () => {
    const { page, left, right, errors, watched } = await openDemo()
    await left.signUp()
    await right.signUp()
    assert.equal(watched.open.length, 2)

    await left.button(/^Find/).click()
    await left.button(/^Add friend/).click()
    await left.root.getByText('request sent').waitFor()
    await right.root.getByLabel('1 unread notification').waitFor()
    await right.button(/^Accept/).click()
    await left.root.getByLabel('1 unread notification').waitFor()

    await right.contact.click()
    await right.send('hello')
    await right.send('are you there?')
    await left.contact.getByText('2 unread').waitFor()
    await left.contact.click()
    await left.root.locator('.theirs').getByText('are you there?').waitFor()
    await until(async () => !(await left.contact.getByText('unread').count()), 'the open conversation is read')

    await right.button('Disconnect').click()
    await right.status.getByText('no network').waitFor()
    await left.send('one')
    await left.send('two')
    await left.send('three')
    assert.equal(await right.bubbles.count(), 2)
    const since = Date.now()
    await right.button('Reconnect').click()
    await right.root.locator('.theirs').getByText('three').waitFor()
    const tookMs = Date.now() - since
    await right.send('all three')
    await left.root.getByText('all three').first().waitFor()
    const texts = ['hello', 'are you there?', 'one', 'two', 'three', 'all three']
    assert.deepEqual(await right.bubbles.allTextContents(), texts)
    assert.deepEqual(await left.bubbles.allTextContents(), texts)
    assert.equal(await page.locator('.steps .done').count(), 6)

    await page.reload()
    await left.contact.click()
    await until(async () => (await left.bubbles.count()) === 6, 'the conversation after a reload')
    assert.deepEqual(errors, [], 'no violation of the Content-Security-Policy, no error')
    await page.context().close()
    return tookMs
  })
})

test('each person in a separate window, and a sign-out leaves no socket and no data', async () => {
  const { page, left, right, watched, becomeFriends } = await openDemo()
  await becomeFriends()
  const [own] = await Promise.all([page.context().waitForEvent('page'), right.root.getByRole('link', { name: /separate window/ }).click()])
  const theirs = watch(own)
  const alone = demoPage(own).right
  await alone.status.getByText('live', { exact: true }).waitFor()
  assert.equal(await own.locator('.panel').count(), 1)
  await left.contact.click()
  await left.send('to both windows')
  await alone.contact.getByText('1 unread').waitFor()
  await right.contact.getByText('1 unread').waitFor()

  await alone.button(/^Sign out/).click()
  await right.button(/^Sign up/).waitFor()
  await until(() => watched.open.length === 1 && !theirs.open.length, 'only the other person has a socket')
  const kept = await page.evaluate(() => Object.keys(localStorage))
  assert.equal(kept.filter((key) => key === 'numeneon:demo:right').length, 0)
  assert.equal(kept.filter((key) => key.startsWith('numeneon:cursor')).length, 1)
  assert.equal(await right.root.getByText('to both windows').count(), 0)
  await page.context().close()
})

test('the demo works by keyboard alone', async () => {
  const { page, left, right } = await openDemo()
  /** Presses Tab until the element has the focus. @param {import('playwright-core').Locator} target */
  const tabTo = async (target) => {
    for (let step = 0; step < 60; step++) {
      if (await target.evaluate((element) => element === document.activeElement)) return
      await page.keyboard.press('Tab')
    }
    throw new Error(`not reached by Tab: ${target}`)
  }
  const press = async (/** @type {import('playwright-core').Locator} */ target, key = 'Enter') => {
    await target.waitFor()
    await tabTo(target)
    await page.keyboard.press(key)
  }
  await press(left.button(/^Sign up/))
  await press(right.button(/^Sign up/))
  // Until somebody has signed up, only their name is known to search for, not their username.
  for (const side of [left, right]) await side.status.getByText('live', { exact: true }).waitFor()
  await press(left.button(/^Find/))
  await press(left.button(/^Add friend/))
  await press(right.button(/^Accept/))
  await press(left.contact)
  await tabTo(left.root.getByLabel('Message', { exact: true }))
  await page.keyboard.type('typed')
  await page.keyboard.press('Enter')
  await press(right.contact)
  await right.root.locator('.theirs').getByText('typed').waitFor()
  await press(right.button('Disconnect'), 'Space')
  await right.status.getByText('no network').waitFor()
  await page.context().close()
})

test('every control has an accessible name, in both colour schemes and on a phone', async () => {
  for (const options of /** @type {const} */ ([{ colorScheme: 'light' }, { colorScheme: 'dark', viewport: { width: 390, height: 844 }, hasTouch: true }])) {
    const { page, left, right, becomeFriends } = await openDemo(options)
    await becomeFriends()
    await left.contact.click()
    await left.send('hello')
    await right.contact.waitFor()
    const nameless = await page.locator('button, a, input, summary, [tabindex]').evaluateAll((elements) =>
      elements
        .filter((element) => {
          if (!element.getClientRects().length) return false
          const label = element.id && document.querySelector(`label[for="${element.id}"]`)
          return !(element.getAttribute('aria-label') || label || element.textContent?.trim())
        })
        .map((element) => element.outerHTML),
    )
    assert.deepEqual(nameless, [])
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, 'no element is wider than the page')
    assert.deepEqual(await lowContrasts(page), [])
    await page.context().close()
  }
})

/** Returns texts whose contrast to their background is below 4.5:1, except on gradients. @param {import('playwright-core').Page} page */
function lowContrasts(page) {
  return page.evaluate(() => {
    const context = /** @type {CanvasRenderingContext2D} */ (document.createElement('canvas').getContext('2d', { willReadFrequently: true }))
    const rgb = (/** @type {string[]} */ ...layers) => {
      context.clearRect(0, 0, 1, 1)
      for (const layer of layers) {
        context.fillStyle = layer
        context.fillRect(0, 0, 1, 1)
      }
      return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
    }
    const luminance = (/** @type {number[]} */ channels) => {
      const [r = 0, g = 0, b = 0] = channels.map((channel) => (channel / 255 <= 0.03928 ? channel / 255 / 12.92 : ((channel / 255 + 0.055) / 1.055) ** 2.4))
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const found = []
    for (const element of document.querySelectorAll('body *')) {
      const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim())
      if (!hasText || !element.getClientRects().length || element.closest('.visually-hidden')) continue
      const layers = []
      let hasGradient = false
      for (let at = /** @type {Element | null} */ (element); at; at = at.parentElement) {
        const style = getComputedStyle(at)
        hasGradient ||= at !== document.body && style.backgroundImage !== 'none'
        layers.unshift(style.backgroundColor)
      }
      if (hasGradient) continue
      const background = luminance(rgb('#fff', ...layers))
      const text = luminance(rgb('#fff', ...layers, getComputedStyle(element).color))
      const contrast = (Math.max(background, text) + 0.05) / (Math.min(background, text) + 0.05)
      if (contrast < 4.5) found.push(`${element.className || element.tagName} ${contrast.toFixed(2)}: ${element.textContent?.slice(0, 40)}`)
    }
    return found
  })
}
