/** How a user is shown wherever one appears. */

import { h, written } from './dom.js'

/** Returns the display name of a user. @param {{ username: string, first_name?: string, last_name?: string }} user */
export function nameOf({ username, first_name = '', last_name = '' }) {
  return `${first_name} ${last_name}`.trim() || username
}

/** Creates the square with the initial of a name. @param {string} name @param {string} [size] a class */
export function avatar(name, size = '') {
  return h('span', { className: `avatar ${size}`, 'aria-hidden': 'true' }, written([...name][0] ?? ''))
}

/** Creates the row of a user in a list. @param {any} user @param {...any} tail what follows the name */
export function userRow(user, ...tail) {
  return h(
    'li',
    { className: 'row' },
    avatar(nameOf(user), 'small-avatar'),
    h(
      'span',
      { className: 'name' },
      written(nameOf(user)),
      h('span', { className: 'small' }, '@', written(user.username)),
    ),
    ...tail,
  )
}
