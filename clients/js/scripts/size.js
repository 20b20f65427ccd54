/**
 * Prints the size of each entry of the package in a page, minified and gzipped, and fails if one
 * exceeds its limit. What two entries share counts for the first.
 */

import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const ENTRIES = [
  { name: '@numeneon/client', file: 'src/index.js', maxBytes: 5000, external: [] },
  { name: '@numeneon/client/rest', file: 'src/rest.js', maxBytes: 3000, external: [] },
  { name: '@numeneon/client/react', file: 'src/react.js', maxBytes: 3000, external: ['react', './client.js'] },
]

let isTooLarge = false
for (const { name, file, maxBytes, external } of ENTRIES) {
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external,
    write: false,
  })
  const bytes = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length
  isTooLarge ||= bytes > maxBytes
  console.log(`${name.padEnd(24)} ${String(bytes).padStart(5)} of ${maxBytes} bytes${bytes > maxBytes ? '  too large' : ''}`)
}
process.exitCode = isTooLarge ? 1 : 0
