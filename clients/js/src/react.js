'use client'

/**
 * The client in React: a provider that connects whoever is signed in, and hooks.
 *
 * Below the provider there is one client for each person, and one store for each screen, which all
 * components share. When they sign out or somebody else signs in, the client is closed, what was
 * kept of them is deleted, and the hooks start empty. On a server nothing is connected.
 */

import { createContext, createElement, useContext, useEffect, useMemo, useRef, useState } from 'react'
import { useSyncExternalStore } from 'react'
import { CLOSED, createClient } from './client.js'
import { requestWith } from './own-sign-in.js'
import { createRest } from './rest.js'
import { Screens } from './stores.js'

/** @import { ReactNode } from 'react' */
/** @import { Rest } from './rest.js' */
/** @import { Store } from './store.js' */
/** @import { ClientOptions, Events, GetToken, Handler, Status } from './types.js' */

/** @typedef {{ screens: Screens, rest: Rest | undefined }} Provided */

const Numeneon = createContext(/** @type {Provided | undefined} */ (undefined))

/**
 * Either nothing, for a session of the provider's own, with `useRest`; or `rest`, whose session
 * determines who is signed in; or `getToken` and `user`, for an app with its own sign-in: `user` is
 * any value that differs between people, null while nobody is signed in.
 *
 * @typedef {Omit<ClientOptions, 'getToken' | 'url' | 'cursor'> & { url?: string } & (
 *   { rest?: Rest, getToken?: undefined, user?: undefined }
 *   | { rest?: undefined, getToken: GetToken, user: string | number | null }
 * ) & { children?: ReactNode }} NumeneonProviderProps
 */

const subscribeToNothing = () => () => {}

/**
 * Connects whoever is signed in, for all hooks below it.
 *
 * @param {NumeneonProviderProps} props
 */
export function NumeneonProvider({ rest: given, url, getToken, user, children, ...options }) {
  const [own] = useState(() => (given || getToken ? undefined : createRest({ url, storage: options.storage })))
  const rest = given ?? own
  const person = useSyncExternalStore(
    rest?.subscribe ?? subscribeToNothing,
    () => (rest ? rest.userId : user) ?? null,
    () => (rest ? null : user) ?? null,
  )
  const latest = useRef(getToken)
  useEffect(() => {
    latest.current = getToken
  })

  const service = rest ? rest.url : url
  const provided = useMemo(() => {
    const currentToken = rest ? rest.accessToken : (/** @type {any} */ request) => latest.current?.(request)
    // A new client has no effect yet, so a rendering that React throws away costs nothing.
    const client = createClient({ ...options, url: service, getToken: currentToken })
    const request = rest ? rest.request : requestWith(service, currentToken)
    return { rest, screens: new Screens({ client, request, user: person, storage: options.storage }) }
    // Other options than these are read once, like those of createClient.
  }, [rest, service, person])

  useEffect(() => {
    if (person === null) return
    provided.screens.open()
    provided.screens.client.connect()
    return () => {
      provided.screens.client.close()
      provided.screens.close()
    }
  }, [provided])

  // What was kept is left when the page is left, and deleted when the person signs out.
  const previous = useRef(provided)
  useEffect(() => {
    if (previous.current !== provided) {
      previous.current.screens.client.close({ forget: true })
      previous.current.screens.close({ forget: true })
    }
    previous.current = provided
  }, [provided])

  return createElement(Numeneon.Provider, { value: provided }, children)
}

/** @returns {Provided} */
function useProvided() {
  const provided = useContext(Numeneon)
  if (!provided) throw new Error('This hook needs a <NumeneonProvider> above it.')
  return provided
}

/** Returns the REST client of whoever is signed in, with which people sign in too. @returns {Rest} */
export function useRest() {
  const { rest } = useProvided()
  if (!rest) throw new Error('This app has its own sign-in.')
  return rest
}

/** Returns the stores of whoever is signed in. @returns {Screens} */
export function useStores() {
  return useProvided().screens
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
  const { client } = useStores()
  const latest = useRef(handler)
  useEffect(() => {
    latest.current = handler
  })
  useEffect(() => client.on(type, (data, frame) => latest.current(data, frame)), [client, type])
}

/**
 * Returns the status of the connection, `closed` while nobody is signed in.
 *
 * @returns {Status & { connect: () => void }}
 */
export function useConnection() {
  const { client } = useStores()
  const status = useSyncExternalStore(
    client.subscribe,
    () => client.status,
    () => CLOSED,
  )
  return useMemo(() => ({ ...status, connect: client.connect }), [status, client])
}

/**
 * Returns what a store shows, and its functions.
 *
 * @template {object} Data
 * @template {Store<Data>} OfData
 * @param {OfData} store
 * @returns {ReturnType<OfData['getSnapshot']> & Omit<OfData, 'getSnapshot' | 'subscribe'>}
 */
function useStore(store) {
  const state = useSyncExternalStore(store.subscribe, store.getSnapshot, () => store.empty)
  return useMemo(() => /** @type {any} */ ({ ...store, ...state }), [store, state])
}

/** Returns the inbox of whoever is signed in: notifications, and how many are unread. */
export const useInbox = () => useStore(useStores().inbox)

/** The former name of {@link useInbox}. */
export const useNotifications = useInbox

/** Returns the conversations of whoever is signed in, the latest first. */
export const useConversations = () => useStore(useStores().conversations)

/** Returns the friends of whoever is signed in, and the friend requests to them. */
export const useFriends = () => useStore(useStores().friends)

/**
 * Returns the messages exchanged with a user. While a component uses it and the page is visible,
 * what arrives is marked as read.
 *
 * @param {number} userId
 */
export const useMessages = (userId) => useStore(useStores().messages(userId))
