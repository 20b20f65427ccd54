/** The left column of a panel: search, requests, friends with their unread counts. */

import { draw, h, icon } from './dom.js'

/** @typedef {import('./person.js').PersonModel} PersonModel */

const nameOf = (/** @type {any} */ user) => [user.first_name, user.last_name].join(' ').trim() || user.username

/**
 * @param {HTMLElement} region
 * @param {PersonModel} person
 * @param {{ otherName: string, neighbour: PersonModel | undefined }} around
 */
export function showPeople(region, person, { otherName, neighbour }) {
  const { slot, state } = person
  const input = /** @type {HTMLInputElement} */ (
    h('input', { id: `${slot.key}-search`, type: 'search', placeholder: 'Search people', autocomplete: 'off', oninput: () => later() })
  )
  const label = h('label', { className: 'hidden', for: input.id }, `Search people as ${slot.name}`)
  const form = h('form', { className: 'search', role: 'search', onsubmit: submit }, label, icon('search'), input)
  const suggestion = h('button', { className: 'chip', type: 'button', onclick: suggest }, `Find ${otherName}`)
  const results = h('div', { className: 'results', 'aria-live': 'polite' })
  const lists = h('div', { className: 'lists' })
  region.append(form, suggestion, results, lists)

  /** Waits until the typing pauses, so that a word is one request. @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  function later() {
    clearTimeout(timer)
    timer = setTimeout(() => person.search(input.value), 200)
  }
  function submit(/** @type {Event} */ event) {
    event.preventDefault()
    clearTimeout(timer)
    person.search(input.value)
  }
  function suggest() {
    input.value = neighbour?.state.me?.username ?? otherName
    input.focus()
    person.search(input.value)
  }

  /** @param {any} user @param {any[]} tail */
  const row = (user, ...tail) =>
    h('li', { className: 'row' }, h('span', { className: 'avatar small-avatar', 'aria-hidden': 'true', title: user.username }, nameOf(user)[0]), h('span', { className: 'name' }, nameOf(user), h('span', { className: 'small' }, `@${user.username}`)), ...tail)

  /** @param {any} user */
  function relation(user) {
    if (state.friends.some(({ id }) => id === user.id)) return h('span', { className: 'tag' }, 'friend')
    if (state.asked.has(user.id)) return h('span', { className: 'tag' }, 'asked')
    return h('button', { className: 'mini', type: 'button', 'data-key': `ask-${user.id}`, 'aria-label': `Ask ${nameOf(user)} to be friends`, onclick: () => person.ask(user) }, icon('plus'), 'Ask')
  }

  /** Friends by their latest message, with others who wrote. */
  function contacts() {
    const talked = state.conversations.map(({ user, unread_count, last_message }) => ({ user, unread_count, last: last_message.content }))
    const silent = state.friends.filter(({ id }) => !talked.some(({ user }) => user.id === id))
    return [...talked, ...silent.map((user) => ({ user, unread_count: 0, last: '' }))]
  }

  function update() {
    suggestion.hidden = state.friends.length > 0 || !!state.found
    draw(
      results,
      state.found && (state.found.length ? h('ul', { 'aria-label': 'Found' }, ...state.found.map((user) => row(user, relation(user)))) : h('p', { className: 'small empty' }, 'Nobody of that name.')),
    )
    const all = contacts()
    draw(
      lists,
      state.requests.length > 0 && [
        h('h3', null, 'Requests'),
        h(
          'ul',
          { className: 'requests' },
          ...state.requests.map((request) =>
            row(
              request.from_user,
              h('button', { className: 'mini good', type: 'button', 'data-key': `accept-${request.id}`, 'aria-label': `Accept ${nameOf(request.from_user)}`, onclick: () => person.accept(request) }, icon('check'), 'Accept'),
              h('button', { className: 'mini bare', type: 'button', 'data-key': `decline-${request.id}`, title: 'Decline', 'aria-label': `Decline ${nameOf(request.from_user)}`, onclick: () => person.decline(request) }, icon('close')),
            ),
          ),
        ),
      ],
      h('h3', null, 'Friends'),
      all.length
        ? h(
            'ul',
            { className: 'contacts' },
            ...all.map(({ user, unread_count, last }) =>
              h(
                'li',
                null,
                h(
                  'button',
                  { className: 'row contact', type: 'button', 'data-key': `open-${user.id}`, 'aria-pressed': String(state.openId === user.id), onclick: () => person.open(user.id) },
                  h('span', { className: 'avatar small-avatar', 'aria-hidden': 'true' }, nameOf(user)[0]),
                  h('span', { className: 'name' }, nameOf(user), h('span', { className: 'small last' }, last || 'say hello')),
                  unread_count > 0 && h('span', { className: 'badge' }, unread_count, h('span', { className: 'hidden' }, ' unread')),
                ),
              ),
            ),
          )
        : h('p', { className: 'small empty' }, 'No friends yet.'),
    )
  }
  person.subscribe((part) => part === 'people' && update())
  update()
}
