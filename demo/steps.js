/** The steps at the top of the page: what to try, and what has been done. */

import { h, hiddenText, icon } from './dom.js'

/** @typedef {import('./person.js').Person} Person */

/** @param {HTMLElement} list @param {Person[]} people */
export function showSteps(list, people) {
  let wasDisconnected = false
  let isReconnected = false
  const steps = [
    { text: 'Sign up both users', isDone: () => people.every(({ state }) => state.me) },
    { text: 'Add a friend', isDone: () => people.some(hasSentOrReceivedRequest) },
    { text: 'Accept', isDone: () => people.every(({ state }) => state.friends.length) },
    { text: 'Chat', isDone: () => people.some(({ state }) => state.conversations.length) },
    { text: 'Disconnect', isDone: () => wasDisconnected },
    { text: 'Reconnect', isDone: () => isReconnected },
  ]

  let shown = ''
  function update() {
    const areLive = people.every(({ network, client }) => network.isConnected && client.status.state === 'live')
    wasDisconnected ||= people.some(({ network }) => !network.isConnected)
    isReconnected ||= wasDisconnected && areLive
    const done = steps.map(({ isDone }) => !!isDone())
    if (shown === done.join()) return
    shown = done.join()
    list.replaceChildren(...steps.map(({ text }, index) => item(text, index, done)))
  }
  for (const person of people) person.subscribe(update)
  update()
}

/** @param {string} text @param {number} index @param {boolean[]} done */
function item(text, index, done) {
  const isNext = index === done.indexOf(false)
  return h(
    'li',
    { className: done[index] ? 'done' : isNext ? 'next' : '', 'aria-current': isNext && 'step' },
    h('span', { className: 'number' }, done[index] ? icon('check') : index + 1),
    text,
    done[index] && hiddenText(' (done)'),
  )
}

/** @param {Person} person */
function hasSentOrReceivedRequest({ state }) {
  return state.requested.size > 0 || state.requests.length > 0 || state.friends.length > 0
}
