/**
 * A cable between the browser and the service, which can be cut (connections
 * end), pulled (nothing passes and nobody is told), and put back.
 */

import { connect, createServer } from 'node:net'
import { after } from 'node:test'

/** @param {string} target address of the service */
export async function layCable(target) {
  const { hostname, port } = new URL(target)
  /** @type {Set<import('node:net').Socket>} */
  const ends = new Set()
  let isWhole = true
  const server = createServer((near) => {
    if (!isWhole) return void near.destroy()
    const far = connect(Number(port), hostname)
    for (const [from, to] of [[near, far], [far, near]]) {
      if (!from || !to) continue
      ends.add(from)
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        ends.delete(from)
        to.destroy()
      })
    }
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  after(() => {
    for (const end of ends) end.destroy()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`,
    cut() {
      isWhole = false
      for (const end of ends) end.destroy()
    },
    pull() {
      isWhole = false
      for (const end of ends) end.unpipe()
      for (const end of ends) end.pause()
    },
    restore() {
      isWhole = true
    },
  }
}
