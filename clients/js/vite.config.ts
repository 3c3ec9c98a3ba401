import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

const entries = {
  index: 'src/index.ts',
  react: 'src/react/index.ts',
  encryption: 'src/encryption/index.ts',
  socketio: 'src/transports/socketio.ts',
};

export default defineConfig({
  build: {
    target: 'es2022',
    minify: false,
    sourcemap: true,
    lib: {
      entry: Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(file))),
      formats: ['es'],
    },
    rollupOptions: {
      // Dependencies stay imports: whoever uses the package has them once.
      external: (id) => !id.startsWith('.') && !id.startsWith('/'),
    },
  },
  test: {
    include: ['test/**/*.test.{ts,tsx,mjs}'],
    // Most of the time they wait for servers.
    maxWorkers: 4,
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
