/**
 * Elements in one line, and regions that are drawn anew without losing the focus.
 */

/**
 * Makes an element. `on…` properties are listeners, names with a dash are attributes, the rest are properties.
 *
 * @param {string} tag
 * @param {Record<string, any> | null} [properties]
 * @param {...(Node | string | number | null | undefined | false | (Node | string)[])} children
 */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2).toLowerCase(), value)
    else if (name.includes('-') || name === 'role' || name === 'for') element.setAttribute(name, String(value))
    else /** @type {any} */ (element)[name] = value
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false).map((child) => (child instanceof Node ? child : String(child))))
  return element
}

/** A picture from the sprite of this page. @param {string} name */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use')
  use.setAttribute('href', `icons.svg#${name}`)
  svg.append(use)
  return svg
}

/**
 * Puts the children into the region. An element whose `data-key` had the focus has it again.
 *
 * @param {Element} region
 * @param {...any} children
 */
export function draw(region, ...children) {
  const focused = region.contains(document.activeElement) ? document.activeElement?.getAttribute('data-key') : null
  region.replaceChildren(...children.flat().filter(Boolean))
  if (focused) /** @type {HTMLElement | null} */ (region.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus()
}

/** @param {string} timestamp */
export function clock(timestamp) {
  return new Date(timestamp).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
}
