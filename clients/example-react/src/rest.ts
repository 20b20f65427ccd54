import { createRest } from '@numeneon/client/rest'

/** The REST client of this page, which also holds its session. */
export const rest = createRest({
  url: import.meta.env.VITE_NUMENEON_URL ?? 'http://localhost:8000',
  storage: 'local',
})
