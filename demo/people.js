/** The left column of a panel: search, friend requests, and friends with their unread messages. */

import { draw, h, hiddenText, icon, written } from './dom.js'
import { showSearch } from './search.js'
import { avatar, nameOf, userRow } from './users.js'

/** @typedef {import('./person.js').Person} Person */
/** @typedef {import('./panel.js').Surroundings} Surroundings */

/** @param {HTMLElement} region @param {Person} person @param {Surroundings} surroundings */
export function showPeople(region, person, surroundings) {
  const { state } = person
  const lists = h('div', { className: 'lists' })
  showSearch(region, person, surroundings)
  region.append(lists)

  function update() {
    const contacts = contactsOf(person)
    const rows = contacts.map((contact) => contactRow(contact, person))
    draw(
      lists,
      state.requests.length > 0 && [
        h('h3', null, 'Friend requests'),
        h('ul', { className: 'requests' }, ...state.requests.map((request) => requestRow(request, person))),
      ],
      h('h3', null, 'Friends'),
      rows.length > 0 && h('ul', { className: 'contacts' }, ...rows),
      !rows.length && h('p', { className: 'small empty' }, 'No friends yet.'),
    )
  }
  person.subscribe((part) => part === 'people' && update())
  update()
}

/** @param {any} request @param {Person} person */
function requestRow(request, { accept, decline }) {
  const name = nameOf(request.from_user)
  return userRow(
    request.from_user,
    h(
      'button',
      {
        className: 'mini accept',
        type: 'button',
        'data-key': `accept-${request.id}`,
        'aria-label': `Accept ${name}`,
        onclick: () => accept(request),
      },
      icon('check'),
      'Accept',
    ),
    h(
      'button',
      {
        className: 'mini bare',
        type: 'button',
        'data-key': `decline-${request.id}`,
        title: 'Decline',
        'aria-label': `Decline ${name}`,
        onclick: () => decline(request),
      },
      icon('close'),
    ),
  )
}

/**
 * Returns those to chat with: first conversations, the latest first, then the other friends.
 *
 * @param {Person} person
 */
function contactsOf({ state }) {
  const known = state.conversations.map(({ user, unread_count, last_message }) => ({
    user,
    unread: unread_count,
    lastText: last_message.content,
  }))
  const others = state.friends.filter(({ id }) => !known.some(({ user }) => user.id === id))
  return [...known, ...others.map((user) => ({ user, unread: 0, lastText: 'No messages yet' }))]
}

/** @param {{ user: any, unread: number, lastText: string }} contact @param {Person} person */
function contactRow({ user, unread, lastText }, { state, openChat }) {
  return h(
    'li',
    null,
    h(
      'button',
      {
        className: 'row contact',
        type: 'button',
        'data-key': `open-${user.id}`,
        'aria-pressed': String(state.openId === user.id),
        onclick: () => openChat(user.id),
      },
      avatar(nameOf(user), 'small-avatar'),
      h(
        'span',
        { className: 'name' },
        written(nameOf(user)),
        h('span', { className: 'small last' }, written(lastText)),
      ),
      unread > 0 && h('span', { className: 'badge' }, unread, hiddenText(' unread')),
    ),
  )
}
