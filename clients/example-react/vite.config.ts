import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [react()],
  // The package lies beside this example and has a React of its own for its tests; a page must have one.
  resolve: { dedupe: ['react', 'react-dom'] },
})
