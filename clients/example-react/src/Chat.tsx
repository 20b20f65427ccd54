import { useState, type FormEvent } from 'react'
import { useMessages } from '@numeneon/client/react'

export function Chat({ userId }: { userId: number }) {
  const { messages, unsent, hasMore, loadMore, send, retry, discard } = useMessages(userId)
  const [content, setContent] = useState('')

  function submit(event: FormEvent) {
    event.preventDefault()
    send(content)
    setContent('')
  }
  return (
    <section aria-label="Chat">
      {hasMore && <button onClick={loadMore}>Older messages</button>}
      <ol role="log">
        {messages.map(({ id, sender, content }) => (
          <li key={id}><b><bdi>{sender.username}</bdi></b> <bdi>{content}</bdi></li>
        ))}
        {unsent.map(({ key, content, status, error }) => (
          <li key={key} className={status}>
            <bdi>{content}</bdi> {status === 'sending' ? '…' : error}
            {status === 'failed' && <button onClick={() => retry(key)}>Send again</button>}
            {status === 'failed' && <button onClick={() => discard(key)}>Discard</button>}
          </li>
        ))}
      </ol>
      <form onSubmit={submit}>
        <input aria-label="Message" value={content} onChange={(event) => setContent(event.target.value)} required />
        <button>Send</button>
      </form>
    </section>
  )
}
