/**
 * An HTTP server whose responses a test defines: `routes` maps `METHOD path` to a function, and
 * `requests` holds what was received. A response may have a `text` that is not JSON, may be `cut` in
 * mid-body or `lost` as a whole, or never come: `HANGS`.
 */

import { createServer } from 'node:http'

/** @typedef {{ method: string, path: string, token: string | undefined, key: string | undefined, body: any }} Received */
/** @typedef {(received: Received) => Response | Promise<Response>} Route */
/**
 * @typedef {object} Response
 * @property {number} [status]
 * @property {any} [body]
 * @property {Record<string, string>} [headers]
 * @property {string} [text]
 * @property {boolean} [cut]
 * @property {boolean} [lost]
 */

/** The response of a server that accepted a request and no longer runs. @type {Promise<Response>} */
export const HANGS = new Promise(() => {})

/** What a captive portal or a maintenance page responds. */
export const FOREIGN_PAGE = { text: '<!doctype html><title>Welcome</title>', headers: { 'Content-Type': 'text/html' } }

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
      key: /** @type {string | undefined} */ (request.headers['idempotency-key']),
      body: text ? JSON.parse(text) : undefined,
    }
    requests.push(received)
    /** @type {Route} */
    const route = routes[`${received.method} ${received.path}`] ?? (() => ({ status: 404, body: { detail: 'Not found.' } }))
    const { status = 200, body = {}, headers = {}, text: content = JSON.stringify(body), cut, lost } = await route(received)
    if (lost) return void request.socket.destroy()
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(content), ...headers })
    if (!cut) return void response.end(content)
    response.write(content.slice(0, content.length / 2), () => request.socket.destroy())
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  return { url: `http://127.0.0.1:${port}`, requests }
}
