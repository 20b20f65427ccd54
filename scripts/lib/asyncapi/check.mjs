// Prints what AsyncAPI's own parser finds wrong with a document; fails if it is anything.
//
//   node check.mjs DOCUMENT FOLDER-WITH-THE-PARSER
//
// References are followed within the document only: nothing is asked of the network.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [path, folder] = process.argv.slice(2)
const { Parser } = createRequire(join(folder, 'package.json'))('@asyncapi/parser')

// A remark and no fault: every tool of AsyncAPI 3 reads 3.0.0, and 3.1.0 adds nothing for sockets.
const PASSED_OVER = ['asyncapi-latest-version']

const { document, diagnostics } = await new Parser().parse(await readFile(path, 'utf8'))
const faults = diagnostics.filter(({ code }) => !PASSED_OVER.includes(code))
for (const { code, message, path: place, range } of faults) {
  console.error(`${path}:${range.start.line + 1}: ${place.join('.')}: ${message} (${code})`)
}
if (faults.length > 0 || document === undefined) process.exit(1)
const messages = document.allMessages().length
if (messages === 0) throw new Error(`${path} has no messages`)
console.log(`${path}: AsyncAPI ${document.version()}, ${document.allOperations().length} operations, ${messages} messages`)
