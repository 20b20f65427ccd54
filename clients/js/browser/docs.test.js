import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startBrowser, watch } from './support/browser.js'
import { startCluster } from './support/cluster.js'
import { createPerson } from './support/people.js'

const { url } = await startCluster()
const browser = await startBrowser()

test('the page at /api/docs/ shows every operation and sends requests', async () => {
  const page = await browser.newPage()
  const { errors } = watch(page)
  await page.goto(`${url}/api/docs/`)
  /** @param {string} name an operationId, whose tag comes first */
  const operation = (name) => page.locator(`#operations-${name.split('_')[0]}-${name}`)
  /** @param {string} name */
  const execute = async (name) => {
    await operation(name).getByRole('button', { name: 'Execute' }).click()
    const response = operation(name).locator('.live-responses-table .response').first()
    await response.waitFor()
    return response
  }

  const { paths } = await (await fetch(`${url}/api/schema/`)).json()
  const described = Object.values(paths).reduce((count, methods) => count + Object.keys(methods).length, 0)
  await page.locator('.opblock').nth(described - 1).waitFor()
  assert.equal(await page.locator('.opblock').count(), described)

  await operation('auth_me').locator('.opblock-summary-control').click()
  await (await execute('auth_me')).getByText('401').first().waitFor()

  const ada = await createPerson(url, 'ada')
  await page.locator('.btn.authorize').first().click()
  const form = page.locator('.auth-container form').filter({ hasText: 'bearer (http' })
  await form.getByLabel('auth-bearer-value').fill(await ada.token())
  await form.locator('.modal-btn.authorize').click()
  await page.getByRole('button', { name: 'Close' }).first().click()
  const response = await execute('auth_me')
  await response.getByText('200').first().waitFor()
  await response.getByText(ada.username).first().waitFor()
  assert.deepEqual(
    errors.filter((error) => !error.includes('401')),
    [],
    'no violation of the Content-Security-Policy, no error',
  )
  await page.close()
})
