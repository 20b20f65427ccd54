/** Limits on the source of the package and the demo: the length of a function and of a line. */

import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isFunctionLikeDeclaration } from 'typescript/unstable/ast/is'
import { API } from 'typescript/unstable/sync'

/** @import { Node, SourceFile } from 'typescript/unstable/ast' */
/** @import { Program } from 'typescript/unstable/sync' */

const MAX_FUNCTION_LINES = 80
const MAX_LINE_CHARS = 120

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const PACKAGE = join(ROOT, 'clients/js/src')
const DEMO = join(ROOT, 'demo')
const PROJECT = join(ROOT, 'clients/js/tsconfig.check.json')

/** Returns the files of a folder and of those below it. @param {string} folder */
async function filesIn(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/** Returns the functions of a file that are too long, nested ones included. @param {SourceFile} file */
function longFunctionsIn(file) {
  /** @type {string[]} */
  const found = []
  let count = 0
  const lineAt = (/** @type {number} */ position) => file.getLineAndCharacterOfPosition(position).line + 1
  /** @param {Node} node */
  const visit = (node) => {
    if (isFunctionLikeDeclaration(node)) {
      const first = lineAt(node.getStart(file))
      const lines = lineAt(node.end) - first + 1
      count++
      if (lines > MAX_FUNCTION_LINES) found.push(`${relative(ROOT, file.fileName)}:${first} has ${lines} lines`)
    }
    node.forEachChild(visit)
  }
  visit(file)
  return { count, found }
}

/**
 * Returns the parsed file, which has to be part of the project that is type-checked.
 *
 * @param {Program} program
 * @param {string} name
 */
function parsed(program, name) {
  const file = program.getSourceFile(name)
  assert(file, `${relative(ROOT, name)} is type-checked`)
  return file
}

test(`no function is longer than ${MAX_FUNCTION_LINES} lines`, async () => {
  const compiler = new API()
  after(() => compiler.close())
  const [project] = compiler.updateSnapshot({ openProjects: [PROJECT] }).getProjects()
  assert(project)
  const { program } = project
  for (const folder of [PACKAGE, DEMO]) {
    const names = (await filesIn(folder)).filter((name) => name.endsWith('.js'))
    const results = names.map((name) => longFunctionsIn(parsed(program, name)))
    assert(results.reduce((sum, { count }) => sum + count, 0) > names.length, 'the parser finds functions')
    assert.deepEqual(results.flatMap(({ found }) => found), [])
  }
})

test(`no line is longer than ${MAX_LINE_CHARS} characters`, async () => {
  const names = [...(await filesIn(PACKAGE)), ...(await filesIn(DEMO))]
  /** @type {string[]} */
  const found = []
  for (const name of names) {
    const lines = (await readFile(name, 'utf8')).split('\n')
    for (const [index, { length }] of lines.entries()) {
      if (length > MAX_LINE_CHARS) found.push(`${relative(ROOT, name)}:${index + 1} has ${length} characters`)
    }
  }
  assert.deepEqual(found, [])
})
