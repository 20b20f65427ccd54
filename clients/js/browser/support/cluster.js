/**
 * The service that the browser tests run against: two instances with PostgreSQL and Redis behind
 * nginx, started by scripts/cluster.
 */

import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SCRIPT = fileURLToPath(new URL('../../../../scripts/cluster', import.meta.url))

/** Short enough for a test to wait until a token expires. */
export const ACCESS_TOKEN_SECONDS = 4

/** Starts a cluster until the end of this file's tests, or uses the one in CLUSTER_DIR. */
export async function startCluster() {
  const given = process.env.CLUSTER_DIR
  const dir = given ?? (await mkdtemp(join(tmpdir(), 'numeneon-browser-')))
  const cluster = async (/** @type {string[]} */ ...args) => {
    const { stdout } = await run(SCRIPT, [...args, '--dir', dir], {
      env: {
        ...process.env,
        DEMO: 'true',
        ACCESS_TOKEN_SECONDS: String(ACCESS_TOKEN_SECONDS),
        // Longer than nginx skips an instance that has failed: fail_timeout is one second, counted in
        // whole ones. Otherwise nginx skips both when one is restarted after the other was killed.
        SHUTDOWN_DELAY_SECONDS: '3',
        SHUTDOWN_SPREAD_SECONDS: '1',
      },
    })
    return stdout
  }
  if (!given) {
    // PostgreSQL runs under an account of its own, which has to traverse this directory.
    await chmod(dir, 0o711)
    after(async () => {
      await cluster('stop')
      await rm(dir, { recursive: true, force: true })
    })
    const binary = process.env.NUMENEON_BINARY
    await cluster('start', '--instances', '2', ...(binary ? ['--binary', binary] : []))
  }
  const env = Object.fromEntries((await readFile(join(dir, 'cluster.env'), 'utf8')).split('\n').map((line) => line.split('=')))
  return {
    url: /** @type {string} */ (env.NGINX_URL),
    instances: [env.INSTANCE_1_URL, env.INSTANCE_2_URL],
    /** Runs a command of scripts/cluster, such as `kill-instance 1`. */
    cluster,
  }
}
