/** The frames on the wire of one person, as they pass. */

import { draw, h } from './dom.js'

/** @typedef {import('./person.js').PersonModel} PersonModel */

const WAYS = { in: '←', out: '→', note: '·' }
const WAY_WORDS = { in: 'received', out: 'sent', note: 'note' }

/** @param {PersonModel} person */
export function showLog(person) {
  const { slot, state } = person
  const list = h('ol', { className: 'frames', tabIndex: 0, 'aria-label': `Frames of ${slot.name}` })
  const count = h('span', { className: 'small' })
  const details = h('details', { className: 'wire', open: true }, h('summary', null, 'On the wire ', count), list)

  function update() {
    count.textContent = state.log.length ? `${state.log.length} lines` : ''
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40
    draw(
      list,
      ...state.log.map(({ at, way, text, type, seq }) =>
        h(
          'li',
          { className: `frame ${way} ${type ?? ''}` },
          h('time', { dateTime: at.toISOString() }, at.toLocaleTimeString([], { hour12: false })),
          h('span', { className: 'way', title: WAY_WORDS[way] }, WAYS[way], h('span', { className: 'hidden' }, WAY_WORDS[way])),
          seq !== undefined && type !== 'connection_established' && h('span', { className: 'seq', title: 'its number in the inbox' }, `#${seq}`),
          h('code', null, text),
        ),
      ),
    )
    if (isAtEnd) list.scrollTop = list.scrollHeight
  }
  person.subscribe((part) => part === 'log' && update())
  update()
  return details
}
