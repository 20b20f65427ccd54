import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createElement, StrictMode } from 'react'
import { renderToString } from 'react-dom/server'
import { NumeneonProvider, useConnection, useEvent, useNotifications } from '../src/react.js'
import { useConversations, useFriends, useMessages, useRest, useStores } from '../src/react.js'
import { requestWith } from '../src/own-sign-in.js'
import { createRest } from '../src/rest.js'
import { createService, createStorage, settled, tokenOf } from './support/service.js'

function Bell() {
  const { state } = useConnection()
  const { unreadCount, notifications } = useNotifications()
  useEvent('new_message', () => {})
  return createElement('p', null, `${state} ${unreadCount} ${notifications.length}`)
}

for (const [name, props] of /** @type {const} */ ([
  ['somebody signed in', { getToken: () => tokenOf(1), user: 1 }],
  ['nobody signed in', { getToken: () => null, user: null }],
])) {
  test(`a server renders ${name} without connecting`, async () => {
    const service = createService()
    const html = renderToString(
      createElement(StrictMode, null, createElement(NumeneonProvider, { ...props, WebSocket: service.WebSocket }, createElement(Bell))),
    )
    await settled()
    assert.equal(html, '<p>closed 0 0</p>')
    assert.equal(service.sockets.length, 0)
  })
}

test('a server renders nobody signed in, even if a REST client has a stored session', () => {
  const storage = createStorage()
  storage.setItem('numeneon:session', JSON.stringify({ access: tokenOf(1), refresh: 'refresh' }))
  const rest = createRest({ storage })
  assert.equal(renderToString(createElement(NumeneonProvider, { rest }, createElement(Bell))), '<p>closed 0 0</p>')
})

test('a hook without a provider throws an error that names the provider', () => {
  assert.throws(() => renderToString(createElement(Bell)), /NumeneonProvider/)
})

test('an app’s own sign-in without a token sends no request', async (t) => {
  const fetched = t.mock.method(globalThis, 'fetch', async () => Response.json({}))
  await assert.rejects(requestWith('https://api.example.org', () => null)('GET', 'notifications/'), { status: 401 })
  assert.equal(fetched.mock.callCount(), 0)
})

function Messenger() {
  const rest = useRest()
  const { conversations } = useConversations()
  const { messages, unsent, send } = useMessages(7)
  const { friends, requests, accept } = useFriends()
  const lists = [conversations, messages, unsent, friends, requests]
  const functions = [rest.signIn, send, accept, useStores().messages]
  return createElement('p', null, `${lists.map(({ length }) => length)} ${functions.map((each) => typeof each)}`)
}

test('a server renders every hook below a provider that has texts alone', () => {
  const provider = createElement(NumeneonProvider, { url: 'https://api.example.org', storage: 'local' }, createElement(Messenger))
  assert.equal(renderToString(provider), '<p>0,0,0,0,0 function,function,function,function</p>')
})
