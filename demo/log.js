/** The log of a person's WebSocket: each frame that was sent or received. */

import { draw, h, hiddenText } from './dom.js'

/** @typedef {import('./person.js').Person} Person */

const DIRECTIONS = {
  in: { sign: '←', text: 'received' },
  out: { sign: '→', text: 'sent' },
  note: { sign: '·', text: 'note' },
}

/** The log follows new entries while it is scrolled to within this distance of its end. */
const FOLLOW_PX = 40

/** @param {Person} person */
export function showLog(person) {
  const { slot, state } = person
  const list = h('ol', { className: 'frames', tabIndex: 0, 'aria-label': `WebSocket log of ${slot.name}` })
  const count = h('span', { className: 'small' })
  const details = h('details', { className: 'log', open: true }, h('summary', null, 'WebSocket log ', count), list)

  function update() {
    const { length } = state.log
    count.textContent = length ? `${length} ${length === 1 ? 'entry' : 'entries'}` : ''
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < FOLLOW_PX
    draw(list, ...state.log.map(entry))
    if (isAtEnd) list.scrollTop = list.scrollHeight
  }
  person.subscribe((part) => part === 'log' && update())
  update()
  return details
}

/** @param {import('./network.js').LogEntry} entry */
function entry({ at, direction, text, type, seq }) {
  const { sign, text: directionText } = DIRECTIONS[direction]
  // The first frame's number is that of the whole inbox.
  const isEvent = seq !== undefined && type !== 'connection_established'
  return h(
    'li',
    { className: `frame ${direction} ${type ?? ''}` },
    h('time', { dateTime: at.toISOString() }, at.toLocaleTimeString([], { hour12: false })),
    h('span', { className: 'direction', title: directionText }, sign, hiddenText(directionText)),
    isEvent && h('span', { className: 'seq', title: 'sequence number in the inbox' }, `#${seq}`),
    h('code', { dir: 'ltr' }, text),
  )
}
