import { useState, type FormEvent } from 'react'
import { rest } from './rest'

export function SignIn() {
  const [message, setMessage] = useState('')

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const username = String(form.get('username'))
    const account = { username, email: `${username}@example.org`, password: String(form.get('password')) }
    const isNew = (event.nativeEvent as SubmitEvent).submitter?.getAttribute('value') === 'new'
    try {
      if (isNew) await rest.signUp(account)
      await rest.signIn(account)
    } catch (error) {
      setMessage(error instanceof Error ? error.message : String(error))
    }
  }
  return (
    <form className="sign-in" onSubmit={submit}>
      <label>Name <input name="username" required /></label>
      <label>Password <input name="password" type="password" minLength={6} required /></label>
      <button value="in">Sign in</button> <button value="new">Sign up</button>
      <p role="alert">{message}</p>
    </form>
  )
}
