import { useConversations } from '@numeneon/client/react'

export function Conversations({ onOpen }: { onOpen: (userId: number) => void }) {
  const { conversations } = useConversations()
  return (
    <nav aria-label="Conversations">
      <h2>Conversations</h2>
      <ul>
        {conversations.map(({ user, last_message, unread_count }) => (
          <li key={user.id}>
            <button onClick={() => onOpen(user.id)}><bdi>{user.username}</bdi></button> <bdi>{last_message.content}</bdi>
            {unread_count > 0 && <b className="badge">{unread_count}</b>}
          </li>
        ))}
      </ul>
    </nav>
  )
}
