'use client'

/**
 * The client in React: a provider that connects whoever is signed in, and hooks.
 *
 * Below the provider there is one client for each person. When they sign out or somebody else
 * signs in, the client is closed, its cursor is forgotten, and the hooks start empty. On a server
 * nothing is connected.
 */

import { createContext, createElement, useCallback, useContext } from 'react'
import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import { CLOSED, createClient } from './client.js'
import { EMPTY, LiveInbox } from './inbox.js'
import { requestWith } from './own-sign-in.js'

/** @import { ReactNode } from 'react' */
/** @import { Client, ClientOptions, Events, GetToken, Handler, Status } from './types.js' */
/** @import { Rest } from './rest.js' */
/** @import { InboxState } from './inbox.js' */

/** @typedef {{ client: Client, inbox: LiveInbox }} SignedIn what the hooks read of whoever is signed in */

const Numeneon = createContext(/** @type {SignedIn | null | undefined} */ (undefined))

/**
 * Either `rest`, whose session determines who is signed in; or `getToken` and `user`, for an app with
 * its own sign-in. `user` is any value that differs between people, null while nobody is signed in.
 *
 * @typedef {Omit<ClientOptions, 'getToken' | 'url' | 'cursor'>
 *   & ({ rest: Rest, url?: undefined, getToken?: undefined, user?: undefined }
 *     | { rest?: undefined, url?: string, getToken: GetToken, user: string | number | null })
 *   & { children?: ReactNode }} NumeneonProviderProps
 */

const subscribeToNothing = () => () => {}

/**
 * Connects whoever is signed in, for all hooks below it.
 *
 * @param {NumeneonProviderProps} props
 */
export function NumeneonProvider({ rest, url, getToken, user, children, ...options }) {
  const person = useSyncExternalStore(
    rest ? rest.subscribe : subscribeToNothing,
    () => (rest ? rest.userId : user),
    () => (rest ? null : user),
  )
  const latest = useRef({ getToken, options })
  useEffect(() => {
    latest.current = { getToken, options }
  })

  const service = rest ? rest.url : url
  const signedIn = useMemo(() => {
    if (person == null) return null
    const currentToken = rest ? rest.accessToken : (/** @type {any} */ request) => latest.current.getToken?.(request)
    // A new client has no effect yet, so a rendering that React throws away costs nothing.
    const client = createClient({ ...options, url: service, getToken: currentToken })
    return { client, inbox: new LiveInbox(client, rest ? rest.request : requestWith(service, currentToken)) }
    // Other options than these are read once, like those of createClient.
  }, [rest, service, person])

  useEffect(() => {
    if (!signedIn) return
    signedIn.client.connect()
    return () => signedIn.client.close()
  }, [signedIn])

  // The cursor is kept when the page is left, and forgotten when the person signs out.
  const previous = useRef(signedIn)
  useEffect(() => {
    if (previous.current !== signedIn) previous.current?.client.close({ forget: true })
    previous.current = signedIn
  }, [signedIn])

  return createElement(Numeneon.Provider, { value: signedIn }, children)
}

/** @returns {SignedIn | null} */
function useSignedIn() {
  const signedIn = useContext(Numeneon)
  if (signedIn === undefined) throw new Error('This hook needs a <NumeneonProvider> above it.')
  return signedIn
}

/**
 * Calls the latest handler for each event of that type while the component is mounted.
 *
 * @type {{
 *   <Type extends keyof Events>(type: Type, handler: Handler<Events[Type]>): void
 *   <Data = any>(type: string, handler: Handler<Data>): void
 * }}
 */
export const useEvent = (/** @type {string} */ type, /** @type {Handler} */ handler) => {
  const client = useSignedIn()?.client
  const latest = useRef(handler)
  useEffect(() => {
    latest.current = handler
  })
  useEffect(() => client?.on(type, (data, frame) => latest.current(data, frame)), [client, type])
}

/**
 * Returns the status of the connection, `closed` while nobody is signed in.
 *
 * @returns {Status & { connect: () => void }}
 */
export function useConnection() {
  const client = useSignedIn()?.client
  const status = useSyncExternalStore(
    client?.subscribe ?? subscribeToNothing,
    () => client?.status ?? CLOSED,
    () => CLOSED,
  )
  return useMemo(() => ({ ...status, connect: () => client?.connect() }), [status, client])
}

/**
 * Returns the inbox of whoever is signed in, kept current. All components share one.
 *
 * @returns {InboxState & {
 *   markRead: (upTo?: number) => Promise<void>,
 *   loadMore: () => Promise<void>,
 *   reload: () => Promise<void>,
 * }}
 */
export function useNotifications() {
  const inbox = useSignedIn()?.inbox
    const state = useSyncExternalStore(
    inbox?.subscribe ?? subscribeToNothing,
    () => inbox?.getSnapshot() ?? EMPTY,
    () => EMPTY,
  )
  const markRead = useCallback(
    async (/** @type {number | undefined} */ upTo = undefined) => inbox?.markRead(upTo),
    [inbox],
  )
  const loadMore = useCallback(async () => inbox?.loadMore(), [inbox])
  const reload = useCallback(async () => inbox?.reload(), [inbox])
  return useMemo(() => ({ ...state, markRead, loadMore, reload }), [state, markRead, loadMore, reload])
}
