/**
 * The package as its users get it: packed, installed into a new project of Vite, React and
 * TypeScript, compiled in strict mode, built, and run in a browser. The project contains the
 * examples of the README unchanged, and the React example.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startBrowser, until, watch } from './support/browser.js'
import { startCluster } from './support/cluster.js'
import { createPerson } from './support/people.js'
import { serveFolder } from './support/site.js'

const run = promisify(execFile)
const PACKAGE = fileURLToPath(new URL('..', import.meta.url))
const EXAMPLE = fileURLToPath(new URL('../../example-react', import.meta.url))

const { url } = await startCluster()
const browser = await startBrowser()
const project = await mkdtemp(join(tmpdir(), 'numeneon-package-'))
after(() => rm(project, { recursive: true, force: true }))

/** Returns the fenced blocks of a language, in order. @param {string} markdown @param {string} language */
function blocks(markdown, language) {
  return [...markdown.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))].map(([, code]) => /** @type {string} */ (code))
}

/** Runs a tool; its output is in the error when it fails. @param {string} command @param {string[]} args @param {string} cwd */
async function tool(command, args, cwd) {
  try {
    return (await run(command, args, { cwd })).stdout
  } catch (error) {
    const { stdout, stderr } = /** @type {{ stdout: string, stderr: string }} */ (error)
    throw new Error(`${command} ${args.join(' ')}\n${stdout}\n${stderr}`)
  }
}

/** Builds a page and serves it. @param {string} name of the folder for it @param {string} entry */
async function build(name, entry) {
  await writeFile(join(project, 'index.html'), `<!doctype html><link rel="icon" href="data:,"><div id="root"></div><script type="module" src="/${entry}"></script>`)
  await tool('npx', ['vite', 'build', '--outDir', name, '--logLevel', 'warn'], project)
  return serveFolder(join(project, name))
}

test('it is packed with its types, for both kinds of modules, and nothing else', async () => {
  const [packed] = JSON.parse(await tool('npm', ['pack', '--json', '--pack-destination', project], PACKAGE))
  const files = packed.files.map((/** @type {{ path: string }} */ { path }) => path)
  assert.deepEqual(
    files.filter((/** @type {string} */ path) => !/^(src\/[a-z-]+\.js|types\/[a-z-]+\.d\.ts|cjs\/[a-z-]+(\.js|\.d\.ts)|cjs\/package\.json|package\.json|README\.md)$/.test(path)),
    [],
  )
  for (const entry of ['index', 'rest', 'stores', 'react']) assert(files.includes(`types/${entry}.d.ts`) && files.includes(`src/${entry}.js`))

  const manifest = JSON.parse(await readFile(join(EXAMPLE, 'package.json'), 'utf8'))
  manifest.dependencies['@numeneon/client'] = `file:${join(project, packed.filename)}`
  await writeFile(join(project, 'package.json'), JSON.stringify(manifest))
  await cp(join(EXAMPLE, 'tsconfig.json'), join(project, 'tsconfig.json'))
  await cp(join(EXAMPLE, 'src'), join(project, 'src'), { recursive: true })
  await tool('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock'], project)
})

test('the README’s examples compile in strict mode, and so does the React example', async () => {
  const readme = await readFile(join(PACKAGE, 'README.md'), 'utf8')
  const [page, ...more] = blocks(readme, 'tsx')
  assert(page && !more.length)
  await mkdir(join(project, 'src', 'readme'))
  // Only the address is changed, as a reader would do.
  await writeFile(join(project, 'src', 'readme', 'page.tsx'), page.replace('http://localhost:8000', url))
  const others = blocks(readme, 'ts')
  assert.equal(others.length, 2)
  for (const [index, code] of others.entries()) await writeFile(join(project, 'src', 'readme', `example-${index}.ts`), code)
  await tool('npx', ['tsc', '--noEmit'], project)
})

test('types reject invalid use', async () => {
  const invalid = join(project, 'src', 'invalid.ts')
  await writeFile(
    invalid,
    `import { createClient } from '@numeneon/client'
     import { createRest } from '@numeneon/client/rest'
     const client = createClient({ getToken: () => null })
     // @ts-expect-error a message has no such field
     client.on('new_message', ({ title }) => title)
     // @ts-expect-error a client needs tokens
     createClient({})
     // @ts-expect-error ids are numbers
     createRest().acceptFriend('7')
     // @ts-expect-error there is no such state
     if (client.status.state === 'open') throw new Error()
    `,
  )
  await tool('npx', ['tsc', '--noEmit'], project)
  await rm(invalid)
})

test('the README’s page runs unchanged, in Strict Mode with one socket', async () => {
  const site = await build('readme', 'src/readme/page.tsx')
  const reader = await createPerson(url, 'ada')
  const writer = await createPerson(url, 'writer')
  const page = await (await browser.newContext()).newPage()
  const { sockets, errors } = watch(page)
  // The README signs in with an example account; here the request is sent with that of a real one.
  await page.route('**/api/auth/login/', (route) => route.continue({ postData: JSON.stringify({ email: reader.email, password: reader.password }) }))
  await page.goto(site)
  await page.getByText('0 unread, closed').waitFor()
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('0 unread, live').waitFor()
  await writer.rest.sendMessage({ receiver_id: reader.id, content: 'hello' })
  await page.getByText('1 unread, live').waitFor()
  await page.getByText('1 unread, live').click()
  await page.getByText('0 unread, live').waitFor()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByText('0 unread, closed').waitFor()
  await until(() => sockets.every((socket) => socket.isClosed()), 'the socket is closed')
  assert.equal(sockets.length, 1)
  assert.deepEqual(errors, [])
  await page.context().close()
})

test('the React example shows requests, messages and notifications, and a sign-out leaves no data for the next person', async () => {
  process.env.VITE_NUMENEON_URL = url
  const site = await build('example', 'src/main.tsx')
  const friend = await createPerson(url, 'friend')
  const context = await browser.newContext()
  const page = await context.newPage()
  const watched = watch(page)
  await page.goto(site)
  const name = `zoe-${process.pid}`
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password').fill('correct horse')
  await page.getByRole('button', { name: 'Sign up' }).click()
  await page.getByRole('status').getByText('live').waitFor()
  assert.equal(watched.sockets.length, 1, 'Strict Mode and several components: one socket')

  const [zoe] = await friend.rest.search(name)
  assert(zoe)
  await friend.rest.requestFriend(zoe.id)
  await page.getByText(`${friend.username} wants to be your friend`).waitFor()
  await page.getByRole('button', { name: 'Accept' }).click()
  await page.getByRole('button', { name: friend.username }).click()
  await friend.rest.sendMessage({ receiver_id: zoe.id, content: 'good morning' })
  await page.getByRole('log').getByText('good morning').waitFor()
  await page.getByLabel('Message').fill('good evening')
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByRole('log').getByText('good evening').waitFor()
  await page.getByLabel('2 unread notifications').click()
  await page.getByText('new message').waitFor()

  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByLabel('Name').waitFor()
  await until(() => !watched.open.length, 'no socket is left')
  assert.equal(await page.evaluate(() => localStorage.length), 0, 'no token and no cursor is left')

  const other = await createPerson(url, 'other')
  await page.getByLabel('Name').fill(other.username)
  await page.getByLabel('Password').fill(other.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('status').getByText('live').waitFor()
  assert.equal(watched.open.length, 1, 'one socket')
  assert.equal(new URL(watched.open[0]?.url() ?? '').search, '', 'nobody else’s cursor')
  await page.getByLabel('0 unread notifications').click()
  assert.equal(await page.getByText('new message').count(), 0)
  await friend.rest.sendMessage({ receiver_id: zoe.id, content: 'not for you' })
  await friend.rest.sendMessage({ receiver_id: other.id, content: 'for you' })
  await page.getByText('for you', { exact: false }).first().waitFor()
  assert.equal(await page.getByText('not for you').count(), 0)

  // A sign-out in another tab signs out here too.
  const tab = await context.newPage()
  await tab.goto(site)
  await tab.getByRole('status').getByText('live').waitFor()
  await tab.getByRole('button', { name: 'Sign out' }).click()
  await page.getByLabel('Name').waitFor()
  await until(() => !watched.open.length, 'no socket is left in either tab')
  assert.deepEqual(watched.errors, [])
  await context.close()
})

/** An app with its own sign-in: the page chooses an account, and its tokens come from this test. */
const OWN_SIGN_IN = `
  import { StrictMode, useState } from 'react'
  import { createRoot } from 'react-dom/client'
  import { NumeneonProvider, useConnection, useEvent, useNotifications } from '@numeneon/client/react'

  declare function tokenOf(user: number): Promise<string>

  function Bell() {
    const { state } = useConnection()
    const { unreadCount, notifications, error } = useNotifications()
    return <p>{state} {unreadCount} of {notifications.length} {error?.message}</p>
  }
  function Last() {
    const [last, setLast] = useState('nothing')
    useEvent('new_message', ({ content }) => setLast(content))
    return <p>last: {last}</p>
  }
  function App() {
    const [user, setUser] = useState<number | null>(null)
    const ids = location.search.slice(1).split(',').map(Number)
    return (
      <NumeneonProvider url="${url}" user={user} getToken={() => (user === null ? null : tokenOf(user))}>
        <Bell /><Bell /><Last key={user} />
        {ids.map((id) => <button key={id} onClick={() => setUser(id)}>be {id}</button>)}
        <button onClick={() => setUser(null)}>be nobody</button>
      </NumeneonProvider>
    )
  }
  createRoot(document.getElementById('root')!).render(<StrictMode><App /></StrictMode>)
`

test('an app with its own sign-in changes from one person directly to the next', async () => {
  await writeFile(join(project, 'src', 'own.tsx'), OWN_SIGN_IN)
  await tool('npx', ['tsc', '--noEmit'], project)
  const site = await build('own', 'src/own.tsx')
  const [first, second, writer] = [await createPerson(url), await createPerson(url), await createPerson(url)]
  const page = await (await browser.newContext()).newPage()
  const watched = watch(page)
  await page.exposeFunction('tokenOf', (/** @type {number} */ id) => (id === first.id ? first : second).token())
  await page.goto(`${site}/?${first.id},${second.id}`)
  await writer.rest.sendMessage({ receiver_id: first.id, content: 'to the first' })

  await page.getByRole('button', { name: `be ${first.id}` }).click()
  await page.getByText('live 1 of 1').nth(1).waitFor()
  assert.equal(watched.sockets.length, 1)
  await page.getByRole('button', { name: `be ${second.id}` }).click()
  await page.getByText('live 0 of 0').nth(1).waitFor()
  await until(() => watched.open.length === 1, 'the first person’s socket is closed')
  await writer.rest.sendMessage({ receiver_id: first.id, content: 'to the first again' })
  await writer.rest.sendMessage({ receiver_id: second.id, content: 'to the second' })
  await page.getByText('last: to the second').waitFor()
  await page.getByText('live 1 of 1').nth(1).waitFor()
  await page.getByRole('button', { name: 'be nobody' }).click()
  await page.getByText('closed 0 of 0').nth(1).waitFor()
  await until(() => !watched.open.length, 'no socket is left')
  assert.equal(watched.sockets.length, 2)
  assert.deepEqual(watched.errors, [])
  await page.context().close()
})
