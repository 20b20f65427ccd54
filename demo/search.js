/** The search for people, and what can be done with each result. */

import { draw, h, icon } from './dom.js'
import { nameOf, userRow } from './users.js'

/** @typedef {import('./person.js').Person} Person */
/** @typedef {import('./panel.js').Surroundings} Surroundings */

/** So that a word that is typed causes one request. */
const TYPING_PAUSE_MS = 200

/** @param {HTMLElement} region @param {Person} person @param {Surroundings} surroundings */
export function showSearch(region, person, { otherName, neighbour }) {
  const { slot, state } = person
  const input = /** @type {HTMLInputElement} */ (
    h('input', {
      id: `${slot.key}-search`,
      type: 'search',
      placeholder: 'Search people',
      autocomplete: 'off',
      oninput: searchLater,
    })
  )
  const label = h('label', { className: 'visually-hidden', for: input.id }, `Search people as ${slot.name}`)
  const form = h('form', { className: 'search', role: 'search', onsubmit: submit }, label, icon('search'), input)
  const suggestion = h('button', { className: 'chip', type: 'button', onclick: suggest }, `Find ${otherName}`)
  const results = h('div', { className: 'results', 'aria-live': 'polite' })
  region.append(form, suggestion, results)

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  function searchLater() {
    clearTimeout(timer)
    timer = setTimeout(() => person.search(input.value), TYPING_PAUSE_MS)
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

  function update() {
    suggestion.hidden = state.friends.length > 0 || !!state.searchResults
    draw(results, state.searchResults && resultList(state.searchResults, person))
  }
  person.subscribe((part) => part === 'people' && update())
  update()
}

/** @param {any[]} users @param {Person} person */
function resultList(users, person) {
  if (!users.length) return h('p', { className: 'small empty' }, 'No matches.')
  const rows = users.map((user) => userRow(user, relationship(user, person)))
  return h('ul', { 'aria-label': 'Search results' }, ...rows)
}

/**
 * Creates the tag of a friend or of a sent request, or else the button that sends one.
 *
 * @param {any} user
 * @param {Person} person
 */
function relationship(user, { state, requestFriend }) {
  if (state.friends.some(({ id }) => id === user.id)) return h('span', { className: 'tag' }, 'friend')
  if (state.requested.has(user.id)) return h('span', { className: 'tag' }, 'request sent')
  return h(
    'button',
    {
      className: 'mini',
      type: 'button',
      'data-key': `add-${user.id}`,
      'aria-label': `Add friend ${nameOf(user)}`,
      onclick: () => requestFriend(user),
    },
    icon('plus'),
    'Add friend',
  )
}
