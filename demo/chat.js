/** The conversation that is open: what was said, and what to say. */

import { clock, draw, h, icon } from './dom.js'

/** @typedef {import('./person.js').PersonModel} PersonModel */

/** @param {HTMLElement} region @param {PersonModel} person */
export function showChat(region, person) {
  const { slot, state } = person
  const title = h('h3', null)
  const close = h('button', { className: 'round tiny', type: 'button', title: 'Close this conversation', 'aria-label': 'Close this conversation', onclick: () => person.closeChat() }, icon('close'))
  const messages = h('ol', { className: 'messages', role: 'log', tabIndex: 0 })
  const input = /** @type {HTMLInputElement} */ (h('input', { id: `${slot.key}-message`, type: 'text', maxLength: 10000, placeholder: 'Write a message', autocomplete: 'off' }))
  const composer = h('form', { className: 'composer', onsubmit: send }, h('label', { className: 'hidden', for: input.id }, 'Message'), input, h('button', { className: 'primary round', type: 'submit', 'aria-label': 'Send', title: 'Send' }, icon('send')))
  const nothing = h('p', { className: 'nothing' }, 'Open a friend to chat.')
  const open = h('div', { className: 'open' }, h('div', { className: 'bar' }, title, close), messages, composer)
  region.append(nothing, open)

  async function send(/** @type {Event} */ event) {
    event.preventDefault()
    const content = input.value.trim()
    // What was not sent stays in the field.
    if (content && (await person.send(content)) && input.value.trim() === content) input.value = ''
    input.focus()
  }

  /** @type {number | null} */
  let shownId = null
  function update() {
    const { openId } = state
    region.classList.toggle('is-open', openId !== null)
    nothing.hidden = openId !== null
    open.hidden = openId === null
    if (openId === null) return void (shownId = null)
    const user = [...state.friends, ...state.conversations.map(({ user }) => user)].find(({ id }) => id === openId)
    const name = user ? [user.first_name, user.last_name].join(' ').trim() || user.username : ''
    title.textContent = name
    messages.setAttribute('aria-label', `Messages with ${name}`)

    if (shownId !== openId) messages.replaceChildren()
    shownId = openId
    const have = new Map([...messages.children].map((element) => [/** @type {HTMLElement} */ (element).dataset.id, element]))
    const shown = state.messages.map((message) => have.get(String(message.id)) ?? bubble(message))
    if (shown.length !== messages.children.length || shown.some((element, index) => element !== messages.children[index])) {
      // Only what is new is added, so that a screen reader says only that.
      shown.forEach((element, index) => {
        if (messages.children[index] !== element) messages.insertBefore(element, messages.children[index] ?? null)
      })
      while (messages.children.length > shown.length) messages.lastElementChild?.remove()
      messages.scrollTop = messages.scrollHeight
    }
  }

  /** @param {any} message */
  function bubble(message) {
    const isMine = message.sender.id === state.me?.id
    return h(
      'li',
      { className: `bubble ${isMine ? 'mine' : 'theirs'}${state.arrived.has(message.id) ? ' arrived' : ''}`, 'data-id': message.id },
      h('span', { className: 'hidden' }, isMine ? 'You: ' : `${message.sender.username}: `),
      h('span', { className: 'text' }, message.content),
      h('time', { dateTime: message.created_at }, clock(message.created_at)),
    )
  }

  person.subscribe((part) => part === 'chat' && update())
  update()
}
