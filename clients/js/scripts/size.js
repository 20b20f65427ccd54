/**
 * Prints the size of the whole package in a page, minified and gzipped, and what each entry adds to
 * those before it; fails if the whole exceeds its limit.
 */

import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const MAX_BYTES = 9 * 1024
const ENTRIES = ['index', 'rest', 'react']

let bytes = 0
for (let count = 1; count <= ENTRIES.length; count++) {
  const entries = ENTRIES.slice(0, count)
  const { outputFiles } = await build({
    stdin: { contents: entries.map((name) => `export * from './src/${name}.js'`).join('\n'), resolveDir: '.' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external: ['react'],
    write: false,
  })
  const before = bytes
  bytes = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length
  console.log(`${(entries.at(-1) ?? '').padEnd(6)} ${String(bytes - before).padStart(5)} bytes`)
}
console.log(`all    ${String(bytes).padStart(5)} of ${MAX_BYTES} bytes${bytes > MAX_BYTES ? '  too large' : ''}`)
process.exitCode = bytes > MAX_BYTES ? 1 : 0
