import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [react()],
  // The package is linked from ../js, which has its own React for tests; a page must have only one.
  resolve: { dedupe: ['react', 'react-dom'] },
})
