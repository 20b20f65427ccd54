/**
 * A TCP proxy between the browser and the service, which can disconnect (connections end), stall
 * (nothing passes and neither side is notified), and restore.
 */

import { connect, createServer } from 'node:net'
import { after } from 'node:test'

/** Starts a proxy until the end of this file's tests. @param {string} target address of the service */
export async function startProxy(target) {
  const { hostname, port } = new URL(target)
  /** @type {Set<import('node:net').Socket>} */
  const ends = new Set()
  let isOpen = true
  const server = createServer((near) => {
    if (!isOpen) return void near.destroy()
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
    disconnect() {
      isOpen = false
      for (const end of ends) end.destroy()
    },
    stall() {
      isOpen = false
      for (const end of ends) end.unpipe()
      for (const end of ends) end.pause()
    },
    restore() {
      isOpen = true
    },
  }
}
