/**
 * An HTTP server whose responses a test defines: `routes` maps `METHOD path` to a function, and
 * `requests` holds what was received.
 */

import { createServer } from 'node:http'

/** @typedef {{ method: string, path: string, token: string | undefined, body: any }} Received */
/** @typedef {(received: Received) => { status?: number, body?: any, headers?: Record<string, string> } | Promise<any>} Route */

/**
 * @param {import('node:test').TestContext} t
 * @param {Record<string, Route>} routes
 */
export async function serve(t, routes) {
  /** @type {Received[]} */
  const requests = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const received = {
      method: request.method ?? '',
      path: request.url ?? '',
      token: request.headers.authorization?.replace('Bearer ', ''),
      body: text ? JSON.parse(text) : undefined,
    }
    requests.push(received)
    const route = routes[`${received.method} ${received.path}`] ?? (() => ({ status: 404, body: { detail: 'Not found.' } }))
    const { status = 200, body = {}, headers = {} } = await route(received)
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  return { url: `http://127.0.0.1:${port}`, requests }
}
