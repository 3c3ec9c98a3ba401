import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const client = fileURLToPath(new URL('../../clients/js/src', import.meta.url));

/** `npm run dev` serves the page with hot reloading and passes everything else on to a gateway that runs beside it. */
const gateway = process.env.GATEWAY ?? 'http://127.0.0.1:5000';

export default defineConfig({
  plugins: [react()],
  resolve: {
    // The client library is compiled from its source: nothing has to be built or installed for it first.
    alias: [
      { find: /^orleans-realtime\/(react|encryption)$/, replacement: `${client}/$1/index.ts` },
      { find: /^orleans-realtime\/socketio$/, replacement: `${client}/transports/socketio.ts` },
      { find: /^orleans-realtime$/, replacement: `${client}/index.ts` },
    ],
    // Its dependencies are this page's: one React for both, and one `npm ci`.
    dedupe: ['@microsoft/signalr', 'react', 'react-dom', 'socket.io-client', 'tweetnacl'],
  },
  build: {
    outDir: process.env.OUT_DIR ?? '../wwwroot',
    emptyOutDir: true,
    target: 'es2022',
    // The content security policy allows no `data:` scripts or styles.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 600,
  },
  server: {
    proxy: Object.fromEntries(['/api', '/dev', '/hub', '/events', '/jobs', '/socket.io', '/reference', '/openapi'].map((path) => [path, { target: gateway, ws: true }])),
  },
});
