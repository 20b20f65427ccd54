import { useCallback, useEffect, useState } from 'react'
import { useConnection, useEvent } from '@numeneon/client/react'

/**
 * Loads a list once the connection is live, so that no event is missed between the two, and again
 * when events are missing that cannot be replayed.
 */
export function useLive<Item>(load: () => Promise<Item[]>) {
  const [items, setItems] = useState<Item[]>([])
  const { state } = useConnection()
  const [isReady, setReady] = useState(state === 'live')
  if (state === 'live' && !isReady) setReady(true)

  const reload = useCallback(() => load().then(setItems, () => {}), [load])
  useEffect(() => {
    if (isReady) reload()
  }, [isReady, reload])
  useEvent('resync', reload)
  return { items, setItems, reload }
}
