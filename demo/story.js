/** The line of steps at the top: what to try, and what has been done already. */

import { h, icon } from './dom.js'

/** @typedef {import('./person.js').PersonModel} PersonModel */

/** @param {HTMLElement} list @param {PersonModel[]} people */
export function showStory(list, people) {
  const done = { cut: false, back: false }
  const steps = [
    { text: 'Sign both up', isDone: () => people.every(({ state }) => state.me) },
    { text: 'Search, ask', isDone: () => people.some(({ state }) => state.asked.size || state.requests.length || state.friends.length) },
    { text: 'Accept', isDone: () => people.every(({ state }) => state.friends.length) },
    { text: 'Chat', isDone: () => people.some(({ state }) => state.conversations.length) },
    { text: 'Cut a network', isDone: () => done.cut },
    { text: 'Bring it back', isDone: () => done.back },
  ]

  let shown = ''
  function update() {
    done.cut ||= people.some(({ wire }) => wire.isCut)
    done.back ||= done.cut && people.every(({ wire, client }) => !wire.isCut && client.status.state === 'live')
    const states = steps.map(({ isDone }) => !!isDone())
    if (shown === states.join()) return
    shown = states.join()
    const next = states.indexOf(false)
    list.replaceChildren(
      ...steps.map(({ text }, index) =>
        h(
          'li',
          { className: states[index] ? 'done' : index === next ? 'next' : '', 'aria-current': index === next && 'step' },
          h('span', { className: 'step' }, states[index] ? icon('check') : index + 1),
          text,
          states[index] && h('span', { className: 'hidden' }, ' (done)'),
        ),
      ),
    )
  }
  for (const person of people) person.subscribe(update)
  update()
}
