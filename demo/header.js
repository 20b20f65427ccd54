/** The header of a panel: who is signed in, their unread notifications, and the way out. */

import { draw, h, icon, written } from './dom.js'
import { avatar, nameOf } from './users.js'

/** @typedef {import('./person.js').Person} Person */
/** @typedef {import('./panel.js').Surroundings} Surroundings */

/** @param {HTMLElement} region @param {Person} person @param {string} titleId @param {Surroundings} surroundings */
export function showHeader(region, person, titleId, { isAlone }) {
  const { slot, state } = person

  function update() {
    const { me } = state
    const name = me ? nameOf(me) : slot.name
    draw(
      region,
      avatar(name),
      h(
        'div',
        { className: 'identity' },
        h('h2', { id: titleId }, written(name)),
        h('p', { className: 'small' }, ...(me ? ['@', written(me.username)] : ['not signed in'])),
      ),
      me && [bell(person), !isAlone && windowLink(slot.key, name), signOutButton(person, name)],
    )
  }
  person.subscribe((part) => part === 'me' && update())
  update()
}

/** @param {Person} person */
function bell({ state, markAllRead }) {
  const { unread } = state
  return h(
    'button',
    {
      className: 'round bell',
      type: 'button',
      'data-key': 'bell',
      title: 'Mark all notifications as read',
      'aria-label': `${unread} unread notification${unread === 1 ? '' : 's'}, mark all as read`,
      onclick: markAllRead,
    },
    icon('bell'),
    unread > 0 && h('span', { className: 'badge', 'aria-hidden': 'true' }, unread > 99 ? '99+' : unread),
  )
}

/** @param {string} key of the side @param {string} name */
function windowLink(key, name) {
  return h(
    'a',
    {
      className: 'round',
      href: `?only=${key}`,
      target: '_blank',
      'data-key': 'window',
      title: 'Open in a separate window',
      'aria-label': `Open ${name} in a separate window`,
    },
    icon('window'),
  )
}

/** @param {Person} person @param {string} name */
function signOutButton({ signOut }, name) {
  return h(
    'button',
    {
      className: 'round',
      type: 'button',
      'data-key': 'sign-out',
      title: 'Sign out',
      'aria-label': `Sign out ${name}`,
      onclick: signOut,
    },
    icon('sign-out'),
  )
}
