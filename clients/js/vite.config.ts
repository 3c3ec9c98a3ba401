import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

const entries = ['src/index.ts', 'src/react/index.ts', 'src/encryption/index.ts', 'src/transports/socketio.ts'];

export default defineConfig({
  build: {
    target: 'es2022',
    minify: false,
    sourcemap: true,
    lib: { entry: entries.filter(existsSync), formats: ['es'] },
    rollupOptions: {
      // Dependencies stay imports: whoever uses the package has them once.
      external: (id) => !id.startsWith('.') && !id.startsWith('/'),
      // A file for each module, so that a bundler takes what is used.
      output: { preserveModules: true, preserveModulesRoot: 'src', entryFileNames: '[name].js' },
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
