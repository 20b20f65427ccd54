/** The panel of one person: who they are, their network, and the regions below. */

import { showChat } from './chat.js'
import { draw, h, icon } from './dom.js'
import { showLog } from './log.js'
import { showPeople } from './people.js'

/** @typedef {import('./person.js').PersonModel} PersonModel */

const WORDS = {
  connecting: 'connecting',
  live: 'live',
  waiting: 'waiting',
  offline: 'offline',
  refused: 'refused',
  closed: 'not connected',
}

/**
 * @param {HTMLElement} stage
 * @param {PersonModel} person
 * @param {{ otherName: string, neighbour: PersonModel | undefined, isAlone: boolean }} around
 */
export function showPanel(stage, person, { otherName, neighbour, isAlone }) {
  const { slot, state, client, wire } = person
  const titleId = `${slot.key}-title`
  const head = h('div', { className: 'head' })
  const network = h('div', { className: 'network' })
  const words = h('span', { className: 'words', role: 'status' })
  const countdown = h('span', { className: 'countdown', 'aria-hidden': 'true' })
  const toggle = h('button', { className: 'cut', type: 'button', onclick: () => (wire.isCut ? person.restore() : person.cut()) })
  const fault = h('p', { className: 'fault', role: 'alert' })
  const body = h('div', { className: 'body' })
  const section = h('section', { className: `panel ${slot.key}`, 'aria-labelledby': titleId }, head, network, fault, body)
  network.append(h('span', { className: 'dot', 'aria-hidden': 'true' }), words, countdown, toggle)
  stage.append(section)

  const people = h('div', { className: 'people' })
  const chat = h('div', { className: 'chat' })
  const log = showLog(person)
  const welcome = h(
    'div',
    { className: 'welcome' },
    h('div', { className: 'avatar large', 'aria-hidden': 'true' }, slot.name[0]),
    h('p', null, `${slot.name} has no account yet.`),
    h('button', { className: 'primary', type: 'button', 'data-key': 'sign-up', onclick: () => person.signUp() }, `Sign ${slot.name} up`),
    h('p', { className: 'small' }, 'One click: a real account, a real token, a real socket.'),
  )

  function drawHead() {
    const { me } = state
    const name = me ? [me.first_name, me.last_name].join(' ').trim() || me.username : slot.name
    draw(
      head,
      h('div', { className: 'avatar', 'aria-hidden': 'true' }, name[0]),
      h('div', { className: 'who' }, h('h2', { id: titleId }, name), h('p', { className: 'small' }, me ? `@${me.username}` : 'nobody is signed in')),
      me && [
        h(
          'button',
          { className: 'round bell', type: 'button', 'data-key': 'bell', title: 'Mark all notifications read', 'aria-label': `${state.unread} unread notifications; mark them read`, onclick: () => person.readAll() },
          icon('bell'),
          state.unread > 0 && h('span', { className: 'badge', 'aria-hidden': 'true' }, state.unread > 99 ? '99+' : state.unread),
        ),
        !isAlone && h('a', { className: 'round', href: `?only=${slot.key}`, target: '_blank', 'data-key': 'window', title: 'Open in a window of its own', 'aria-label': `Open ${name} in a window of its own` }, icon('window')),
        h('button', { className: 'round', type: 'button', 'data-key': 'leave', title: 'Sign out', 'aria-label': `Sign ${name} out`, onclick: () => person.signOut() }, icon('leave')),
      ],
    )
    welcome.toggleAttribute('data-busy', state.isBusy)
    for (const button of welcome.querySelectorAll('button')) button.disabled = state.isBusy
    const shown = me ? 'signed' : person.isSignedIn ? 'loading' : 'welcome'
    if (body.dataset.shown === shown) return
    body.dataset.shown = shown
    draw(body, shown === 'welcome' ? welcome : shown === 'signed' ? [people, chat, log] : log)
  }

  /** @type {ReturnType<typeof setInterval> | undefined} */
  let ticking
  function drawStatus() {
    const { status } = client
    section.dataset.state = status.state
    section.toggleAttribute('data-cut', wire.isCut)
    const text = wire.isCut ? `network cut, ${WORDS[status.state]}` : WORDS[status.state]
    if (words.textContent !== text) words.textContent = text
    draw(toggle, icon(wire.isCut ? 'wifi' : 'cut'), wire.isCut ? 'Bring it back' : 'Cut the network')
    toggle.classList.toggle('back', wire.isCut)
    clearInterval(ticking)
    drawCountdown()
    if (status.nextAttemptAt) ticking = setInterval(drawCountdown, 100)
  }

  function drawCountdown() {
    const { nextAttemptAt } = client.status
    countdown.textContent = nextAttemptAt ? `next attempt in ${Math.max(0, (nextAttemptAt - Date.now()) / 1000).toFixed(1)} s` : ''
  }

  person.subscribe((part) => {
    if (part === 'me') drawHead()
    if (part === 'status') drawStatus()
    if (part === 'fault') fault.textContent = state.fault
  })
  showPeople(people, person, { otherName, neighbour })
  showChat(chat, person)
  drawHead()
  drawStatus()
}
