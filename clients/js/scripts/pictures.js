/**
 * Takes the screenshots of the demo in docs/images, from a running service:
 *
 *   node scripts/pictures.js http://localhost:8000
 */

import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { ARGS } from '../browser/support/browser.js'
import { demoPage } from '../browser/support/demo.js'

const url = process.argv[2] ?? 'http://localhost:8000'
const picture = (/** @type {string} */ name) => fileURLToPath(new URL(`../../../docs/images/demo-${name}.png`, import.meta.url))

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ARGS })
const page = await browser.newPage({ viewport: { width: 1360, height: 840 }, colorScheme: 'light', locale: 'en-GB' })
await page.goto(`${url}/demo/`)
const { left, right, becomeFriends } = demoPage(page)
await becomeFriends()
await right.contact.click()
await right.send('Hello! Did my request arrive?')
await left.contact.getByText('1 unread').waitFor()
await left.contact.click()
await left.send('Yes, at once.')
await right.root.locator('.theirs').getByText('Yes, at once').waitFor()
await right.button('Disconnect').click()
await left.send('You are offline now.')
await left.send('You will get this when you return.')
await right.root.getByText(/next attempt in [3-9]/).waitFor()
await page.mouse.move(680, 300)
await page.screenshot({ path: picture('light') })

await right.button('Reconnect').click()
await right.root.locator('.theirs').getByText('You will get this').waitFor()
await right.send('I am back. No message is missing.')
await left.root.locator('.theirs').getByText('I am back').waitFor()
await page.emulateMedia({ colorScheme: 'dark' })
await page.mouse.move(680, 300)
// The transition of the panel's border has ended.
await page.waitForFunction(() =>
  document.getAnimations().every(({ effect }) => effect?.getTiming().iterations === Infinity),
)
await page.screenshot({ path: picture('dark') })

await page.setViewportSize({ width: 390, height: 844 })
await page.emulateMedia({ colorScheme: 'light' })
await page.evaluate(() => {
  for (const list of document.querySelectorAll('.messages')) list.scrollTo(0, list.scrollHeight)
})
await page.screenshot({ path: picture('phone') })
await browser.close()
