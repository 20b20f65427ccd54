// Prints the diagnostics of AsyncAPI's own parser for a document; fails if there are any.
//
//   node check.mjs DOCUMENT FOLDER-WITH-THE-PARSER
//
// References are resolved within the document only, so the network is not used.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [path, folder] = process.argv.slice(2)
const { Parser } = createRequire(join(folder, 'package.json'))('@asyncapi/parser')

// Advice, not an error: every tool for AsyncAPI 3 reads 3.0.0, and 3.1.0 adds nothing for sockets.
const IGNORED = ['asyncapi-latest-version']

const { document, diagnostics } = await new Parser().parse(await readFile(path, 'utf8'))
const problems = diagnostics.filter(({ code }) => !IGNORED.includes(code))
for (const { code, message, path: place, range } of problems) {
  console.error(`${path}:${range.start.line + 1}: ${place.join('.')}: ${message} (${code})`)
}
if (problems.length > 0 || document === undefined) process.exit(1)
const messages = document.allMessages().length
if (messages === 0) throw new Error(`${path} has no messages`)
console.log(`${path}: AsyncAPI ${document.version()}, ${document.allOperations().length} operations, ${messages} messages`)
