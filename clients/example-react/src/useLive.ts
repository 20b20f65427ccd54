import { useCallback, useEffect, useRef, useState } from 'react'
import { useConnection, useEvent } from '@numeneon/client/react'

type Update<Item> = (items: Item[]) => Item[]

/**
 * Loads a list once the connection is live, so that no event is missed between the two, and again
 * when events are missing that cannot be replayed.
 *
 * What events change while the list is loading is changed in what was loaded too: the response may
 * be older than they are. An update may therefore be made twice.
 */
export function useLive<Item>(load: () => Promise<Item[]>) {
  const [items, setItems] = useState<Item[]>([])
  const { state } = useConnection()
  const [isReady, setReady] = useState(state === 'live')
  if (state === 'live' && !isReady) setReady(true)

  /** The updates since the latest load began, until it ends. */
  const since = useRef<Update<Item>[] | null>(null)
  const update = useCallback((change: Update<Item>) => {
    since.current?.push(change)
    setItems(change)
  }, [])
  const reload = useCallback(async () => {
    const updates: Update<Item>[] = (since.current = [])
    const loaded = await load().catch(() => null)
    if (since.current !== updates) return
    since.current = null
    if (loaded) setItems(updates.reduce((items, change) => change(items), loaded))
  }, [load])
  useEffect(() => {
    if (isReady) void reload()
  }, [isReady, reload])
  useEvent('resync', reload)
  return { items, update, reload }
}
