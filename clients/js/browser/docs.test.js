import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startBrowser, watch } from './support/browser.js'
import { startCluster } from './support/cluster.js'
import { createPerson } from './support/people.js'

const { url } = await startCluster()
const browser = await startBrowser()

test('the page at /api/docs/ shows every operation and asks the service', async () => {
  const page = await browser.newPage()
  const { faults } = watch(page)
  await page.goto(`${url}/api/docs/`)
  /** @param {string} name an operationId, whose tag comes first */
  const operation = (name) => page.locator(`#operations-${name.split('_')[0]}-${name}`)
  /** @param {string} name */
  const ask = async (name) => {
    await operation(name).getByRole('button', { name: 'Execute' }).click()
    const answer = operation(name).locator('.live-responses-table .response').first()
    await answer.waitFor()
    return answer
  }

  const { paths } = await (await fetch(`${url}/api/schema/`)).json()
  const described = Object.values(paths).reduce((count, methods) => count + Object.keys(methods).length, 0)
  await page.locator('.opblock').nth(described - 1).waitFor()
  assert.equal(await page.locator('.opblock').count(), described)

  await operation('auth_me').locator('.opblock-summary-control').click()
  await (await ask('auth_me')).getByText('401').first().waitFor()

  const ada = await createPerson(url, 'ada')
  await page.locator('.btn.authorize').first().click()
  const people = page.locator('.auth-container form').filter({ hasText: 'bearer (http' })
  await people.getByLabel('auth-bearer-value').fill(await ada.token())
  await people.locator('.modal-btn.authorize').click()
  await page.getByRole('button', { name: 'Close' }).first().click()
  const answer = await ask('auth_me')
  await answer.getByText('200').first().waitFor()
  await answer.getByText(ada.username).first().waitFor()
  assert.deepEqual(
    faults.filter((fault) => !fault.includes('401')),
    [],
    'nothing against the Content-Security-Policy, no error',
  )
  await page.close()
})
