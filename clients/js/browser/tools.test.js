/**
 * The package as its users get it, in the tools that they build with: Next.js (with its own bundler and
 * with webpack, rendered on a server), Jest with ts-jest, and the ways in which TypeScript resolves modules.
 * Vite is in package.test.js.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const PACKAGE = fileURLToPath(new URL('..', import.meta.url))
const project = await mkdtemp(join(tmpdir(), 'numeneon-tools-'))
after(() => rm(project, { recursive: true, force: true }))

/** Runs a tool in the project; its output is in the error when it fails. @param {string} command @param {string[]} args */
async function tool(command, args, cwd = project) {
  try {
    const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', CI: '1' }
    return (await promisify(execFile)(command, args, { cwd, env })).stdout
  } catch (error) {
    const { stdout, stderr } = /** @type {{ stdout: string, stderr: string }} */ (error)
    throw new Error(`${command} ${args.join(' ')}\n${stdout}\n${stderr}`)
  }
}

/** @param {Record<string, string | object>} files by their paths */
async function write(files) {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(project, path)), { recursive: true })
    await writeFile(join(project, path), typeof content === 'string' ? content : JSON.stringify(content))
  }
}

const COMPONENT = `
  import { useConnection, useConversations, useInbox } from '@numeneon/client/react'

  export function Bell() {
    const { state } = useConnection()
    const { unreadCount } = useInbox()
    const { conversations } = useConversations()
    return <p>{state} {unreadCount} {conversations.length}</p>
  }
`

before(async () => {
  const [packed] = JSON.parse(await tool('npm', ['pack', '--json', '--pack-destination', project], PACKAGE))
  await write({
    'package.json': {
      private: true,
      dependencies: {
        '@numeneon/client': `file:${join(project, packed.filename)}`,
        next: '^16.0.0',
        react: '^19.2.0',
        'react-dom': '^19.2.0',
      },
      devDependencies: {
        '@types/jest': '^30.0.0',
        '@types/node': '^20.0.0',
        '@types/react': '^19.2.0',
        '@types/react-dom': '^19.2.0',
        jest: '^30.0.0',
        'ts-jest': '^29.4.0',
        typescript: '^5.9.0',
      },
    },
  })
  await tool('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock'])
}, { timeout: 300_000 })

const STRICT = { strict: true, noEmit: true, skipLibCheck: false, jsx: 'react-jsx', lib: ['es2022', 'dom'], types: [] }

for (const options of [
  { module: 'commonjs', moduleResolution: 'node' },
  { module: 'node16', moduleResolution: 'node16' },
  { module: 'nodenext', moduleResolution: 'nodenext' },
  { module: 'esnext', moduleResolution: 'bundler' },
]) {
  test(`TypeScript finds all types with moduleResolution ${options.moduleResolution}`, async () => {
    await write({
      'types/tsconfig.json': { compilerOptions: { ...STRICT, ...options, target: 'es2022' }, include: ['.'] },
      'types/bell.tsx': COMPONENT,
      'types/all.ts': `
        import { createClient } from '@numeneon/client'
        import { createRest } from '@numeneon/client/rest'
        import { createStores } from '@numeneon/client/stores'
        const rest = createRest({ storage: 'local' })
        const client = createClient({ getToken: rest.accessToken })
        const stores = createStores({ client, request: rest.request, user: rest.userId })
        export const content: string | undefined = stores.messages(7).getSnapshot().messages[0]?.content
      `,
    })
    await tool('npx', ['tsc', '-p', 'types/tsconfig.json'])
  })
}

test('Jest with ts-jest runs a test that imports every entry', { timeout: 120_000 }, async () => {
  await write({
    'jest/jest.config.json': { preset: 'ts-jest', rootDir: '.' },
    'jest/tsconfig.json': { compilerOptions: { ...STRICT, noEmit: false, module: 'commonjs', moduleResolution: 'node', target: 'es2022', types: ['jest'], esModuleInterop: true } },
    'jest/bell.tsx': COMPONENT,
    'jest/bell.test.tsx': `
      import { createClient } from '@numeneon/client'
      import { NumeneonProvider } from '@numeneon/client/react'
      import { createRest, RestError } from '@numeneon/client/rest'
      import { createStores } from '@numeneon/client/stores'
      import { renderToString } from 'react-dom/server'
      import { Bell } from './bell'

      test('all entries share their modules', async () => {
        expect(renderToString(<NumeneonProvider url="https://api.example.org"><Bell /></NumeneonProvider>)).toContain('closed')
        const fetch = async () => new Response('{"detail":"No."}', { status: 404 })
        const rest = createRest({ fetch })
        await expect(rest.friends()).rejects.toBeInstanceOf(RestError)
        const client = createClient({ getToken: rest.accessToken })
        createStores({ client, request: rest.request, user: null }).close()
      })
    `,
  })
  await tool('npx', ['jest', '--config', 'jest/jest.config.json'])
})

for (const bundler of ['--turbopack', '--webpack']) {
  test(`Next.js builds a page with ${bundler.slice(2)} whose layout a server renders`, { timeout: 180_000 }, async () => {
    await write({
      // Next.js's own types need more than a page's, and are not what is tested.
      'tsconfig.json': {
        compilerOptions: { ...STRICT, lib: ['esnext', 'dom', 'dom.iterable'], skipLibCheck: true, module: 'esnext', moduleResolution: 'bundler', target: 'es2022' },
        include: ['app'],
      },
      'app/bell.tsx': `'use client'\n${COMPONENT}`,
      'app/layout.tsx': `
        import type { ReactNode } from 'react'
        import { NumeneonProvider } from '@numeneon/client/react'

        export default function Layout({ children }: { children: ReactNode }) {
          return (
            <html lang="en">
              <body>
                <NumeneonProvider url="https://api.example.org" storage="local">{children}</NumeneonProvider>
              </body>
            </html>
          )
        }
      `,
      'app/page.tsx': `import { Bell } from './bell'\nexport default function Page() { return <Bell /> }\n`,
    })
    await tool('npx', ['next', 'build', bundler])
    const html = await readFile(join(project, '.next', 'server', 'app', 'index.html'), 'utf8')
    assert.match(html, /<p>closed<!-- --> <!-- -->0<!-- --> <!-- -->0<\/p>/)
  })
}
