/** The state of a person's connection, and the button that disconnects their network. */

import { draw, h, icon } from './dom.js'

/** @typedef {import('./person.js').Person} Person */

const STATE_TEXT = {
  connecting: 'connecting',
  live: 'live',
  waiting: 'reconnecting',
  offline: 'offline',
  refused: 'not signed in',
  closed: 'not connected',
}

/** @param {HTMLElement} region @param {HTMLElement} panel that shows the state in its colours @param {Person} person */
export function showConnection(region, panel, person) {
  const { client, network } = person
  const text = h('span', { className: 'state', role: 'status' })
  const countdown = h('span', { className: 'countdown', 'aria-hidden': 'true' })
  const toggle = h('button', {
    className: 'toggle',
    type: 'button',
    onclick: () => (network.isConnected ? person.disconnect() : person.reconnect()),
  })
  region.append(h('span', { className: 'dot', 'aria-hidden': 'true' }), text, countdown, toggle)

  /** @type {ReturnType<typeof setInterval> | undefined} */
  let ticking
  function update() {
    const { status } = client
    const { isConnected } = network
    panel.dataset.state = status.state
    panel.toggleAttribute('data-disconnected', !isConnected)
    const next = isConnected ? STATE_TEXT[status.state] : 'no network'
    // Only when it changes, so that a screen reader reads it once.
    if (text.textContent !== next) text.textContent = next
    draw(toggle, icon(isConnected ? 'disconnect' : 'reconnect'), isConnected ? 'Disconnect' : 'Reconnect')
    toggle.title = isConnected ? 'Simulate the loss of this network' : 'Restore this network'
    toggle.classList.toggle('reconnect', !isConnected)
    clearInterval(ticking)
    updateCountdown()
    if (status.nextAttemptAt) ticking = setInterval(updateCountdown, 100)
  }

  function updateCountdown() {
    const { nextAttemptAt } = client.status
    const seconds = nextAttemptAt ? Math.max(0, (nextAttemptAt - Date.now()) / 1000) : null
    countdown.textContent = seconds === null ? '' : `next attempt in ${seconds.toFixed(1)} s`
  }

  person.subscribe((part) => part === 'status' && update())
  update()
}
