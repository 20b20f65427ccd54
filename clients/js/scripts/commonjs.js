/**
 * Builds the CommonJS form of the package, in `cjs/`: each module by itself, so that entries share
 * their modules there too, with the types beside it.
 */

import { copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CJS = `${ROOT}cjs`

await rm(CJS, { recursive: true, force: true })
await mkdir(CJS)
const modules = (await readdir(`${ROOT}src`)).map((name) => `${ROOT}src/${name}`)
await build({ entryPoints: modules, outdir: CJS, format: 'cjs', target: 'es2022' })
for (const name of await readdir(`${ROOT}types`)) await copyFile(`${ROOT}types/${name}`, `${CJS}/${name}`)
// The package's own `type` is `module`; that of a nearer manifest takes precedence.
await writeFile(`${CJS}/package.json`, '{"type":"commonjs"}\n')
