import { useCallback, useState, type FormEvent } from 'react'
import { useEvent } from '@numeneon/client/react'
import { rest } from './rest'
import { useLive } from './useLive'

type Message = { id: number; sender: { id: number; username: string }; content: string }

/** Returns an update that inserts a message in the order of ids, once. */
const insert = (message: Message) => (messages: Message[]) =>
  [...messages.filter(({ id }) => id !== message.id), message].sort((a, b) => a.id - b.id)

export function Chat({ friendId }: { friendId: number }) {
  const { items: messages, update: updateMessages } = useLive<Message>(
    useCallback(() => rest.conversation(friendId, { limit: 100 }), [friendId]),
  )
  const [content, setContent] = useState('')
  useEvent('new_message', (message) => message.sender.id === friendId && updateMessages(insert(message)))

  async function send(event: FormEvent) {
    event.preventDefault()
    updateMessages(insert(await rest.sendMessage({ receiver_id: friendId, content })))
    setContent('')
  }
  return (
    <section aria-label="Chat">
      <ol role="log">
        {messages.map(({ id, sender, content }) => <li key={id}><b><bdi>{sender.username}</bdi></b> <bdi>{content}</bdi></li>)}
      </ol>
      <form onSubmit={send}>
        <input aria-label="Message" value={content} onChange={(event) => setContent(event.target.value)} required />
        <button>Send</button>
      </form>
    </section>
  )
}
