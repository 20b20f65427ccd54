/** Elements in one call, and regions that are drawn again without losing the focus. */

/**
 * Creates an element. Properties that begin with `on` are listeners, names with a dash are
 * attributes, the rest are properties of the element.
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
  for (const child of children.flat()) {
    if (child instanceof Node) element.append(child)
    else if (child !== null && child !== undefined && child !== false) element.append(String(child))
  }
  return element
}

/**
 * Creates a text that somebody has written. Whatever direction of writing it sets, the text around it keeps its own.
 *
 * @param {string} text
 */
export function written(text) {
  return h('bdi', null, text)
}

/** Creates an icon from this page's sprite. @param {string} name */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use')
  use.setAttribute('href', `icons.svg#${name}`)
  svg.append(use)
  return svg
}

/** Creates text for screen readers only. @param {...(string | Node)} text */
export function hiddenText(...text) {
  return h('span', { className: 'visually-hidden' }, ...text)
}

/**
 * Replaces the children of the region. The element whose `data-key` had the focus gets it back.
 *
 * @param {Element} region
 * @param {...any} children
 */
export function draw(region, ...children) {
  const focused = region.contains(document.activeElement) ? document.activeElement?.getAttribute('data-key') : null
  region.replaceChildren(...children.flat().filter(Boolean))
  if (!focused) return
  const element = region.querySelector(`[data-key="${CSS.escape(focused)}"]`)
  if (element instanceof HTMLElement) element.focus()
}

/** Returns the time of day. @param {string} timestamp */
export function timeOfDay(timestamp) {
  return new Date(timestamp).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
}
