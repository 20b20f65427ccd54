import { createRest } from '@numeneon/client/rest'

/** The one REST client of this page; its session is who is signed in. */
export const rest = createRest({
  url: import.meta.env.VITE_NUMENEON_URL ?? 'http://localhost:8000',
  storage: localStorage,
})
