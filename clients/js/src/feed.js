/**
 * The feed of one person, as this tab gets it: through a socket of its own, or
 * from the tab that leads.
 *
 * Whatever happens to sockets and tabs, every event after the cursor of this
 * tab is handed on, in order. Some may come twice; whoever receives them drops
 * those by `seq`.
 */

import { createConnection } from './connection.js'
import { createTabs, tabsCanShare } from './tabs.js'
import { claims } from './token.js'

/** @import { Frame, GetToken, SocketClass, Status, Timings } from './types.js' */

/** How many frames a leader keeps for tabs that come later; what is older they get from the service. */
const KEPT_FRAMES = 128

/**
 * @param {object} parts
 * @param {() => URL} parts.url of the socket, asked when it is needed: on a server there is no page to derive it from
 * @param {GetToken} parts.getToken
 * @param {boolean} parts.usesTickets
 * @param {boolean} parts.share
 * @param {ReturnType<typeof import('./position.js').createPosition>} parts.position
 * @param {SocketClass} parts.WebSocket
 * @param {Timings} parts.timings
 * @param {(frame: Frame & { [key: string]: any }) => void} parts.onFrame
 * @param {(status: Status) => void} parts.onStatus
 */
export function createFeed({ url, getToken, usesTickets, share, position, WebSocket, timings, onFrame, onStatus }) {
  /** The last number that has come through the socket of this tab. @type {number | undefined} */
  let sent
  /** The last number of the inbox when the socket was opened. */
  let head = 0
  /** From where the next socket begins, when a following tab has less than this one. @type {number | undefined} */
  let rewindTo
  /** The position of a gap that has been asked for once. @type {number | undefined} */
  let gapAt
  /** The frames up to `sent` without a gap. @type {(Frame & { seq: number })[]} */
  let kept = []
  /** Of the own connection, not of the leader's. @type {Omit<Status, 'tab'>} */
  let status = { state: 'closed', reason: null, nextAttemptAt: null }
  /** Of a follower: for the leader's answer, or for its next attempt. @type {ReturnType<typeof setTimeout> | undefined} */
  let timer

  const tabs = share && tabsCanShare() ? createTabs({ onMessage, onLead, onRobbed }) : undefined

  const connection = createConnection({
    getToken,
    usesTickets,
    WebSocket,
    timings,
    onFrame: receive,
    onState(state, reason, nextAttemptAt) {
      status = { state, reason, nextAttemptAt }
      // Another tab may have a token that is taken.
      if (state === 'refused') tabs?.leave()
      // A tab that has lost the lead shows what the new leader says.
      if (tabs?.follows) return
      tellStatus()
      onStatus({ ...status, tab: tabs?.leads ? 'leads' : 'alone' })
    },
    async admit(token) {
      const person = String(claims(token).user_id ?? token)
      if (position.belongTo(person)) {
        sent = rewindTo = gapAt = undefined
        kept = []
      }
      if (!tabs || (await tabs.join(`numeneon ${url()} ${person}`))) return true
      onStatus({ state: 'connecting', reason: null, nextAttemptAt: null, tab: 'follows' })
      ask()
      return false
    },
    address() {
      const from = rewindTo ?? position.cursor
      if (from !== sent) kept = []
      sent = from
      rewindTo = undefined
      const address = url()
      if (from !== undefined) address.searchParams.set('cursor', String(from))
      return address.href
    },
  })

  /** Takes a frame from the socket. @param {Frame & { [key: string]: any }} frame */
  function receive(frame) {
    const { type, seq } = frame
    if (type === 'connection_established') {
      head = seq ?? 0
      sent ??= seq
      if (position.cursor === undefined && seq !== undefined) position.move(seq)
      return
    }
    if (type === 'resync_required') kept = []
    else if (seq !== undefined) {
      if (sent !== undefined && seq <= sent) return
      if (sent !== undefined && seq > sent + 1 && gapAt !== sent) {
        // The service leaves no gap; something between here and there did.
        gapAt = rewindTo = sent
        return connection.attempt()
      }
      kept.push({ ...frame, seq })
      if (kept.length > KEPT_FRAMES) kept.shift()
    }
    sent = seq ?? sent
    // To the others first: if this tab ends here, none of them has less than it.
    if (tabs?.leads) tabs.post({ frame })
    onFrame(frame)
  }

  /** As the leader, tells the others its status, and after which number its frames come. */
  function tellStatus() {
    if (tabs?.leads) tabs.post({ status, seq: status.state === 'live' ? sent : undefined })
  }

  /** Asks the leader for what this tab lacks; one that does not answer loses its role. @param {boolean} [wake] */
  function ask(wake) {
    tabs?.post({ cursor: position.cursor ?? null, wake })
    clearTimeout(timer)
    timer = setTimeout(() => tabs?.steal(), timings.leaderMs)
  }

  /** @param {any} message */
  function onMessage(message) {
    if (tabs?.leads) {
      if (message.cursor !== undefined) answer(message)
    } else if (message.frame) hear(message.frame)
    else if (message.status) follow(message.status, message.seq)
  }

  /** As the leader. @param {{ cursor: number | null, wake?: boolean }} message */
  function answer({ cursor, wake }) {
    if (status.state === 'live' && cursor !== null && sent !== undefined && cursor !== sent) {
      const first = kept[0]?.seq
      if (cursor > Math.max(head, sent)) tabs?.post({ frame: { type: 'resync_required', seq: sent } })
      else if (first !== undefined && first <= cursor + 1) {
        for (const frame of kept) if (frame.seq > cursor) tabs?.post({ frame })
      } else if (cursor < sent) {
        rewindTo = cursor
        return connection.attempt()
      }
    }
    tellStatus()
    if (wake) connection.wake()
  }

  /** As a follower, takes a frame from the leader. @param {Frame & { seq?: number }} frame */
  function hear(frame) {
    const { seq } = frame
    const { cursor } = position
    clearTimeout(timer)
    if (seq !== undefined && frame.type !== 'resync_required') {
      // Before the leader has said where it is, every event is from before this tab came.
      if (cursor === undefined) return
      if (seq > cursor + 1) {
        if (gapAt === cursor) return
        gapAt = cursor
        return ask()
      }
    }
    onFrame(frame)
  }

  /** As a follower. @param {Omit<Status, 'tab'>} theirs @param {number} [seq] */
  function follow(theirs, seq) {
    clearTimeout(timer)
    if (seq !== undefined) {
      if (position.cursor === undefined) position.move(seq)
      else if (seq > position.cursor) ask()
    }
    // The timers of a hidden leader are slow; those of the page that is looked at are not.
    if (theirs.nextAttemptAt) timer = setTimeout(ask, theirs.nextAttemptAt - Date.now() + 1000, true)
    onStatus({ ...theirs, tab: 'follows' })
  }

  function onLead() {
    clearTimeout(timer)
    connection.attempt()
  }

  function onRobbed() {
    connection.stop()
    ask()
  }

  return {
    connect() {
      if (tabs?.follows) ask(true)
      else if (status.state !== 'live' && status.state !== 'connecting') connection.attempt()
    },
    wake() {
      if (tabs?.follows) ask(true)
      else connection.wake()
    },
    stop() {
      clearTimeout(timer)
      tabs?.leave()
      connection.stop()
    },
  }
}
