import { useState, useSyncExternalStore } from 'react'
import { useConnection } from '@numeneon/client/react'
import { Bell } from './Bell'
import { Chat } from './Chat'
import { Conversations } from './Conversations'
import { Friends } from './Friends'
import { rest } from './rest'
import { SignIn } from './SignIn'
import { Toasts } from './Toasts'

export function App() {
  const userId = useSyncExternalStore(rest.subscribe, () => rest.userId)
  // With a key, so that the components of one person are not reused for the next.
  return userId === null ? <SignIn /> : <Home key={userId} />
}

function Home() {
  const { state, nextAttemptAt, connect } = useConnection()
  const [openId, setOpenId] = useState<number | null>(null)
  return (
    <>
      <header>
        <h1>Numeneon</h1>
        <span role="status" className={state}>{state}</span>
        {nextAttemptAt && <button onClick={connect}>Try now</button>}
        <Bell />
        <button onClick={() => rest.signOut()}>Sign out</button>
      </header>
      <main>
        <div>
          <Conversations onOpen={setOpenId} />
          <Friends onOpen={setOpenId} />
        </div>
        {openId !== null && <Chat key={openId} userId={openId} />}
      </main>
      <Toasts />
    </>
  )
}
