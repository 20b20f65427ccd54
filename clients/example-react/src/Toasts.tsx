import { useState } from 'react'
import { useEvent } from '@numeneon/client/react'

export function Toasts() {
  const [toasts, setToasts] = useState<{ id: number; text: string }[]>([])

  function show(text: string) {
    const id = Math.random()
    setToasts((all) => [...all, { id, text }])
    setTimeout(() => setToasts((all) => all.filter((toast) => toast.id !== id)), 5000)
  }
  useEvent('friend_request', ({ from_user }) => show(`${from_user.username} wants to be your friend`))
  useEvent('friend_accepted', ({ friend }) => show(`${friend.username} is now your friend`))
  useEvent('new_message', ({ sender, content }) => show(`${sender.username}: ${content}`))

  return <ul className="toasts" aria-live="polite">{toasts.map(({ id, text }) => <li key={id}><bdi>{text}</bdi></li>)}</ul>
}
