/**
 * The client in React: a provider that connects whoever is signed in, and hooks.
 *
 * Under the provider there is one client for each person. When they sign out or
 * somebody else signs in, the client is closed, its cursor forgotten, and what
 * its hooks held is gone. On a server nothing is connected.
 */

import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import { CLOSED, createClient } from './client.js'
import { createInbox, EMPTY } from './inbox.js'

/** @import { ReactNode } from 'react' */
/** @import { Client, ClientOptions, Events, GetToken, Handler, Status } from './types.js' */
/** @import { Rest } from './rest.js' */
/** @import { InboxState } from './inbox.js' */

/** @typedef {{ client: Client, inbox: ReturnType<typeof createInbox> }} Signed */

const Numeneon = createContext(/** @type {Signed | null | undefined} */ (undefined))

/**
 * Either `rest`, whose session says who is signed in; or `getToken` and `user`,
 * for an app that signs in by its own means: any value that tells people apart,
 * null while nobody is signed in.
 *
 * @typedef {Omit<ClientOptions, 'getToken' | 'url' | 'cursor'>
 *   & ({ rest: Rest, url?: undefined, getToken?: undefined, user?: undefined }
 *     | { rest?: undefined, url?: string, getToken: GetToken, user: string | number | null })
 *   & { children?: ReactNode }} NumeneonProviderProps
 */

const never = () => () => {}

/**
 * Connects whoever is signed in, for all hooks below it.
 *
 * @param {NumeneonProviderProps} props
 */
export function NumeneonProvider({ rest, url, getToken, user, children, ...options }) {
  const signedIn = useSyncExternalStore(
    rest ? rest.subscribe : never,
    () => (rest ? rest.userId : user),
    () => (rest ? null : user),
  )
  const latest = useRef({ getToken, options })
  useEffect(() => {
    latest.current = { getToken, options }
  })

  const service = rest ? rest.url : url
  const signed = useMemo(() => {
    if (signedIn == null) return null
    const tokenNow = rest ? rest.accessToken : (/** @type {any} */ ask) => latest.current.getToken?.(ask)
    // A new client has no effect yet, so a rendering that React throws away costs nothing.
    const client = createClient({ ...options, url: service, getToken: tokenNow })
    return { client, inbox: createInbox(client, rest ? rest.request : requestWith(service, tokenNow)) }
    // Other options than these are taken as they were first, like those of createClient.
  }, [rest, service, signedIn])

  useEffect(() => {
    if (!signed) return
    signed.client.connect()
    return () => signed.client.close()
  }, [signed])

  // A page that is left keeps its cursor; a person who leaves does not.
  const previous = useRef(signed)
  useEffect(() => {
    if (previous.current !== signed) previous.current?.client.close({ forget: true })
    previous.current = signed
  }, [signed])

  return createElement(Numeneon.Provider, { value: signed }, children)
}

/** @returns {Signed | null} */
function useSigned() {
  const signed = useContext(Numeneon)
  if (signed === undefined) throw new Error('This hook needs a <NumeneonProvider> above it.')
  return signed
}

/**
 * Calls the latest handler for each event of that type while the component is shown.
 *
 * @type {{
 *   <Type extends keyof Events>(type: Type, handler: Handler<Events[Type]>): void
 *   <Data = any>(type: string, handler: Handler<Data>): void
 * }}
 */
export const useEvent = (/** @type {string} */ type, /** @type {Handler} */ handler) => {
  const client = useSigned()?.client
  const latest = useRef(handler)
  useEffect(() => {
    latest.current = handler
  })
  useEffect(() => client?.on(type, (data, frame) => latest.current(data, frame)), [client, type])
}

/** Returns the status of the connection, `closed` while nobody is signed in. @returns {Status & { connect: () => void }} */
export function useConnection() {
  const client = useSigned()?.client
  const status = useSyncExternalStore(
    client?.subscribe ?? never,
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
  const inbox = useSigned()?.inbox
  const state = useSyncExternalStore(
    inbox?.subscribe ?? never,
    () => inbox?.state ?? EMPTY,
    () => EMPTY,
  )
  const markRead = useCallback(async (/** @type {number | undefined} */ upTo = undefined) => inbox?.markRead(upTo), [inbox])
  const loadMore = useCallback(async () => inbox?.loadMore(), [inbox])
  const reload = useCallback(async () => inbox?.reload(), [inbox])
  return useMemo(() => ({ ...state, markRead, loadMore, reload }), [state, markRead, loadMore, reload])
}

/**
 * The requests of an inbox without a REST client: with the app's own tokens, and a fresh one after a 401.
 *
 * @param {string | undefined} url
 * @param {GetToken} getToken
 */
function requestWith(url, getToken) {
  return async (/** @type {string} */ method, /** @type {string} */ path, /** @type {object | undefined} */ body = undefined) => {
    for (let refused = false; ; refused = true) {
      const token = await getToken(refused ? { refused: 'token expired' } : {})
      const response = await fetch(`${(url ?? '').replace(/\/+$/, '')}/api/${path}`, {
        method,
        headers: { Authorization: `Bearer ${token}`, ...(body && { 'Content-Type': 'application/json' }) },
        body: body && JSON.stringify(body),
      })
      if (response.ok) return response.json()
      if (response.status !== 401 || refused) throw new Error(`The service answered ${response.status}.`)
    }
  }
}
