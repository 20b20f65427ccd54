/**
 * The demo: two people side by side, or one of them in a window of their own with `?only=left` or
 * `?only=right`.
 */

import { showPanel } from './panel.js'
import { createPerson } from './person.js'
import { showSteps } from './steps.js'

const SLOTS = /** @type {const} */ ([
  { key: 'left', name: 'Marigold' },
  { key: 'right', name: 'Juniper' },
])

const only = new URLSearchParams(location.search).get('only')
const slots = SLOTS.filter(({ key }) => !SLOTS.some((slot) => slot.key === only) || key === only)
const people = slots.map(createPerson)
const panels = /** @type {HTMLElement} */ (document.getElementById('panels'))

panels.classList.toggle('alone', people.length === 1)
people.forEach((person, index) => {
  const other = SLOTS.find(({ key }) => key !== person.slot.key)
  showPanel(panels, person, {
    otherName: other?.name ?? '',
    neighbour: people[1 - index],
    isAlone: people.length === 1,
  })
  person.start()
})
if (people.length === 2) showSteps(/** @type {HTMLElement} */ (document.getElementById('steps')), people)
