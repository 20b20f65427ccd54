/** The demo's page, with what a person does on it. */

/** @param {import('playwright-core').Page} page */
export function demoPage(page) {
  /** @param {'left' | 'right'} side */
  const panel = (side) => {
    const root = page.locator(`.panel.${side}`)
    return {
      root,
      status: root.getByRole('status'),
      button: (/** @type {string | RegExp} */ name) => root.getByRole('button', { name }),
      contact: root.locator('.contact'),
      bubbles: root.locator('.bubble .text'),
      async signUp() {
        await root.getByRole('button', { name: /^Sign up/ }).click()
        await root.getByRole('status').getByText('live', { exact: true }).waitFor()
        // The socket may be open before the account is read, by whose name the other person searches.
        await root.getByText(/^@/).first().waitFor()
      },
      async send(/** @type {string} */ text) {
        await root.getByLabel('Message', { exact: true }).fill(text)
        await root.getByLabel('Message', { exact: true }).press('Enter')
        await root.locator('.mine').getByText(text, { exact: true }).waitFor()
      },
    }
  }
  const left = panel('left')
  const right = panel('right')
  return {
    left,
    right,
    async becomeFriends() {
      await left.signUp()
      await right.signUp()
      await left.button(/^Find/).click()
      await left.button(/^Add friend/).click()
      await right.button(/^Accept/).click()
      await left.contact.waitFor()
      await left.root.getByRole('searchbox').fill('')
    },
  }
}
