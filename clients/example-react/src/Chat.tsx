import { useCallback, useState, type FormEvent } from 'react'
import { useEvent } from '@numeneon/client/react'
import { rest } from './rest'
import { useLive } from './useLive'

type Line = { id: number; sender: { id: number; username: string }; content: string }

/** In its place, once. */
const put = (line: Line) => (lines: Line[]) =>
  [...lines.filter(({ id }) => id !== line.id), line].sort((a, b) => a.id - b.id)

export function Chat({ friendId }: { friendId: number }) {
  const { items: lines, setItems: setLines } = useLive<Line>(
    useCallback(() => rest.conversation(friendId, { limit: 100 }), [friendId]),
  )
  const [content, setContent] = useState('')
  useEvent('new_message', (message) => message.sender.id === friendId && setLines(put(message)))

  async function send(event: FormEvent) {
    event.preventDefault()
    setLines(put(await rest.sendMessage({ receiver_id: friendId, content })))
    setContent('')
  }
  return (
    <section aria-label="Chat">
      <ol role="log">
        {lines.map(({ id, sender, content }) => <li key={id}><b>{sender.username}</b> {content}</li>)}
      </ol>
      <form onSubmit={send}>
        <input aria-label="Message" value={content} onChange={(event) => setContent(event.target.value)} required />
        <button>Send</button>
      </form>
    </section>
  )
}
