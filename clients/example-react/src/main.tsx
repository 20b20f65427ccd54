import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { NumeneonProvider } from '@numeneon/client/react'
import { App } from './App'
import { rest } from './rest'
import './style.css'

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <NumeneonProvider rest={rest} storage="local">
      <App />
    </NumeneonProvider>
  </StrictMode>,
)
