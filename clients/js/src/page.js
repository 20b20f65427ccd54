/** The page around the client: whether it is visible, and whether the browser sees a network. */

/**
 * Calls `onHint` whenever waiting or silence may be over: the network went or came, or the page
 * became visible. Returns the function that stops this. Without a page, as on a server, it does nothing.
 *
 * @param {() => void} onHint
 */
export function watchPage(onHint) {
  const onVisibility = () => document.visibilityState === 'visible' && onHint()
  globalThis.addEventListener?.('online', onHint)
  globalThis.addEventListener?.('offline', onHint)
  globalThis.document?.addEventListener('visibilitychange', onVisibility)
  return () => {
    globalThis.removeEventListener?.('online', onHint)
    globalThis.removeEventListener?.('offline', onHint)
    globalThis.document?.removeEventListener('visibilitychange', onVisibility)
  }
}

/** Whether the browser reports that there is no network. It can be wrong, so this is shown but not relied on. */
export function isOffline() {
  return globalThis.navigator?.onLine === false
}
