/** The open conversation: its messages, and the field to write one. */

import { h, hiddenText, icon, timeOfDay, written } from './dom.js'
import { nameOf } from './users.js'

/** @typedef {import('./person.js').Person} Person */
/** @typedef {import('./model.js').Message} Message */

/** The longest message that the service accepts. */
const MAX_CHARS = 10_000

/** @param {HTMLElement} region @param {Person} person */
export function showChat(region, person) {
  const { state } = person
  const title = h('h3', null)
  const messages = h('ol', { className: 'messages', role: 'log', tabIndex: 0 })
  const bar = h('div', { className: 'bar' }, title, closeButton(person))
  const open = h('div', { className: 'open' }, bar, messages, composer(person))
  const placeholder = h('p', { className: 'placeholder' }, 'Select a friend to chat.')
  region.append(placeholder, open)

  /** @type {number | null} */
  let shownId = null
  function update() {
    const { openId } = state
    region.classList.toggle('is-open', openId !== null)
    placeholder.hidden = openId !== null
    open.hidden = openId === null
    if (openId !== null) {
      const users = [...state.friends, ...state.conversations.map(({ user }) => user)]
      const user = users.find(({ id }) => id === openId)
      const name = user ? nameOf(user) : ''
      title.replaceChildren(written(name))
      messages.setAttribute('aria-label', `Messages with ${name}`)
      if (shownId !== openId) messages.replaceChildren()
      updateMessages(messages, person)
    }
    shownId = openId
  }
  person.subscribe((part) => part === 'chat' && update())
  update()
}

/** @param {Person} person */
function closeButton({ closeChat }) {
  const label = 'Close this conversation'
  return h(
    'button',
    { className: 'round tiny', type: 'button', title: label, 'aria-label': label, onclick: closeChat },
    icon('close'),
  )
}

/** @param {Person} person */
function composer({ slot, send }) {
  const input = /** @type {HTMLInputElement} */ (
    h('input', {
      id: `${slot.key}-message`,
      type: 'text',
      maxLength: MAX_CHARS,
      placeholder: 'Write a message',
      autocomplete: 'off',
    })
  )
  async function submit(/** @type {Event} */ event) {
    event.preventDefault()
    const content = input.value.trim()
    // A message that could not be sent stays in the field.
    if (content && (await send(content)) && input.value.trim() === content) input.value = ''
    input.focus()
  }
  return h(
    'form',
    { className: 'composer', onsubmit: submit },
    h('label', { className: 'visually-hidden', for: input.id }, 'Message'),
    input,
    h('button', { className: 'primary round', type: 'submit', 'aria-label': 'Send', title: 'Send' }, icon('send')),
  )
}

/**
 * Adds what is new and removes what is gone, so that a screen reader reads only what is new.
 *
 * @param {HTMLElement} list
 * @param {Person} person
 */
function updateMessages(list, person) {
  const existing = new Map([...list.children].map((element) => [element.getAttribute('data-id'), element]))
  const wanted = person.state.messages.map((message) => existing.get(String(message.id)) ?? bubble(message, person))
  const { children } = list
  if (wanted.length === children.length && wanted.every((element, at) => element === children[at])) return
  wanted.forEach((element, at) => {
    if (children[at] !== element) list.insertBefore(element, children[at] ?? null)
  })
  while (children.length > wanted.length) list.lastElementChild?.remove()
  list.scrollTop = list.scrollHeight
}

/** @param {Message} message @param {Person} person */
function bubble({ id, sender, content, created_at }, { state }) {
  const isMine = sender.id === state.me?.id
  const arrived = state.arrived.has(id) ? 'arrived' : ''
  return h(
    'li',
    { className: `bubble ${isMine ? 'mine' : 'theirs'} ${arrived}`, 'data-id': id },
    hiddenText(...(isMine ? ['You'] : [written(sender.username)]), ': '),
    h('bdi', { className: 'text' }, content),
    h('time', { dateTime: created_at }, timeOfDay(created_at)),
  )
}
