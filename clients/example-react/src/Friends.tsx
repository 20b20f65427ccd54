import { useEffect, useState } from 'react'
import { useFriends } from '@numeneon/client/react'
import { rest } from './rest'

export function Friends({ onOpen }: { onOpen: (userId: number) => void }) {
  const { friends, requests, ask, accept, decline } = useFriends()
  const [suggestions, setSuggestions] = useState<Awaited<ReturnType<typeof rest.suggestions>>>([])
  useEffect(() => void rest.suggestions().then(setSuggestions, () => {}), [friends])
  return (
    <nav aria-label="People">
      <h2>Friends</h2>
      <ul>
        {friends.map(({ id, username }) => (
          <li key={id}><button onClick={() => onOpen(id)}><bdi>{username}</bdi></button></li>
        ))}
      </ul>
      <h2>Friend requests</h2>
      <ul>
        {requests.map(({ id, from_user }) => (
          <li key={id}>
            <bdi>{from_user.username}</bdi> <button onClick={() => accept(id)}>Accept</button>
            <button onClick={() => decline(id)}>Decline</button>
          </li>
        ))}
      </ul>
      <h2>Suggestions</h2>
      <ul>
        {suggestions.map(({ id, username }) => (
          <li key={id}><bdi>{username}</bdi> <button onClick={() => ask(id)}>Add friend</button></li>
        ))}
      </ul>
    </nav>
  )
}
