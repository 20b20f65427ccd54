import { useInbox } from '@numeneon/client/react'

export function Bell() {
  const { unreadCount, notifications, markRead, hasMore, loadMore } = useInbox()
  return (
    <details className="bell">
      <summary aria-label={`${unreadCount} unread notifications`}>
        🔔 {unreadCount > 0 && <b className="badge">{unreadCount}</b>}
      </summary>
      <button onClick={() => markRead()} disabled={!unreadCount}>Mark all as read</button>
      <ul>
        {notifications.map(({ seq, type, is_read }) => (
          <li key={seq} className={is_read ? 'read' : 'unread'}>{type.replaceAll('_', ' ')}</li>
        ))}
      </ul>
      {hasMore && <button onClick={loadMore}>Load more</button>}
    </details>
  )
}
