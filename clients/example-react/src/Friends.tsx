import { useEvent } from '@numeneon/client/react'
import { rest } from './rest'
import { useLive } from './useLive'

export function Friends({ onOpen }: { onOpen: (friendId: number) => void }) {
  const friends = useLive(rest.friends)
  const requests = useLive(rest.friendRequests)
  const suggestions = useLive(rest.suggestions)
  useEvent('friend_request', requests.reload)
  useEvent('friend_accepted', friends.reload)

  async function accept(requestId: number) {
    await rest.acceptFriend(requestId)
    await Promise.all([friends.reload(), requests.reload()])
  }
  async function request(userId: number) {
    await rest.requestFriend(userId)
    await Promise.all([friends.reload(), suggestions.reload()])
  }
  return (
    <nav aria-label="People">
      <h2>Friends</h2>
      <ul>
        {friends.items.map(({ id, username }) => (
          <li key={id}><button onClick={() => onOpen(id)}><bdi>{username}</bdi></button></li>
        ))}
      </ul>
      <h2>Friend requests</h2>
      <ul>
        {requests.items.map(({ id, from_user }) => (
          <li key={id}><bdi>{from_user.username}</bdi> <button onClick={() => accept(id)}>Accept</button></li>
        ))}
      </ul>
      <h2>Suggestions</h2>
      <ul>
        {suggestions.items.map(({ id, username }) => (
          <li key={id}><bdi>{username}</bdi> <button onClick={() => request(id)}>Add friend</button></li>
        ))}
      </ul>
    </nav>
  )
}
