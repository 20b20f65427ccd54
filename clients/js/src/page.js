/** The page around the client: whether it is visible, and whether the browser sees a network. */

/**
 * Calls `onHint` whenever waiting or silence may be over: the network went or came, or the page
 * became visible, came back from the history, or was frozen until now. Returns the function that
 * stops this. Without a page, as on a server, it does nothing.
 *
 * @param {() => void} onHint
 */
export function watchPage(onHint) {
  const onVisibility = () => document.visibilityState === 'visible' && onHint()
  const hints = /** @type {const} */ ([
    [globalThis, ['online', 'offline', 'pageshow'], onHint],
    [globalThis.document, ['resume'], onHint],
    [globalThis.document, ['visibilitychange'], onVisibility],
  ])
  const each = (/** @type {'addEventListener' | 'removeEventListener'} */ change) => {
    for (const [target, types, listener] of hints) for (const type of types) target?.[change]?.(type, listener)
  }
  each('addEventListener')
  return () => each('removeEventListener')
}

/** Whether the browser reports that there is no network. It can be wrong, so this is shown but not relied on. */
export function isOffline() {
  return globalThis.navigator?.onLine === false
}
