/**
 * Prints the size of the package in a page, minified and gzipped: of each entry together with those
 * before it. Fails if one exceeds its limit.
 */

import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const LIMITS = { index: 4600, rest: 7500, stores: 11_000, react: 11_700 }

for (const [index, [name, maxBytes]] of Object.entries(LIMITS).entries()) {
  const entries = Object.keys(LIMITS).slice(0, index + 1)
  const { outputFiles } = await build({
    stdin: { contents: entries.map((name) => `export * from './src/${name}.js'`).join('\n'), resolveDir: '.' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external: ['react'],
    write: false,
  })
  const bytes = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length
  console.log(`${name.padEnd(6)} ${String(bytes).padStart(6)} of ${maxBytes} bytes`)
  if (bytes > maxBytes) process.exitCode = 1
}
