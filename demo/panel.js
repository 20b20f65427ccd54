/** The panel of one person: header, connection, and below them people, chat and log. */

import { showChat } from './chat.js'
import { showConnection } from './connection.js'
import { draw, h } from './dom.js'
import { showHeader } from './header.js'
import { showLog } from './log.js'
import { showPeople } from './people.js'
import { avatar } from './users.js'

/** @typedef {import('./person.js').Person} Person */

/**
 * @typedef {object} Surroundings
 * @property {string} otherName of the person on the other side
 * @property {Person | undefined} neighbour that person, if they are on this page
 * @property {boolean} isAlone whether this is the only panel of the page
 */

/** @param {HTMLElement} container @param {Person} person @param {Surroundings} surroundings */
export function showPanel(container, person, surroundings) {
  const { slot, state } = person
  const titleId = `${slot.key}-title`
  const header = h('div', { className: 'header' })
  const connection = h('div', { className: 'connection' })
  const error = h('p', { className: 'error', role: 'alert' })
  const body = h('div', { className: 'body' })
  const panel = h(
    'section',
    { className: `panel ${slot.key}`, 'aria-labelledby': titleId },
    header,
    connection,
    error,
    body,
  )
  const people = h('div', { className: 'people' })
  const chat = h('div', { className: 'chat' })
  const log = showLog(person)
  const welcome = createWelcome(person)
  container.append(panel)

  function updateBody() {
    const shown = state.me ? 'signed-in' : person.isSignedIn ? 'loading' : 'welcome'
    for (const button of welcome.querySelectorAll('button')) button.disabled = state.isBusy
    if (body.dataset.shown === shown) return
    body.dataset.shown = shown
    draw(body, shown === 'welcome' ? welcome : shown === 'signed-in' ? [people, chat, log] : log)
  }
  person.subscribe((part) => {
    if (part === 'me') updateBody()
    if (part === 'error') error.textContent = state.error
  })
  showHeader(header, person, titleId, surroundings)
  showConnection(connection, panel, person)
  showPeople(people, person, surroundings)
  showChat(chat, person)
  updateBody()
}

/** @param {Person} person */
function createWelcome({ slot, signUp }) {
  return h(
    'div',
    { className: 'welcome' },
    avatar(slot.name, 'large'),
    h('p', null, `Create an account for ${slot.name}.`),
    h(
      'button',
      { className: 'primary', type: 'button', 'data-key': 'sign-up', onclick: signUp },
      `Sign up as ${slot.name}`,
    ),
    h('p', { className: 'small' }, 'One click creates a real account and opens a real WebSocket.'),
  )
}
