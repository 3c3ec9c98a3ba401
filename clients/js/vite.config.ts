import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

const entries = ['src/index.ts', 'src/react/index.ts', 'src/encryption/index.ts', 'src/transports/socketio.ts'];

const SERVER_OF_ITS_OWN = 'test/encryption/server.test.ts';

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
    // Most of the time they wait for servers.
    maxWorkers: 4,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.{ts,tsx}', 'test/encryption/**/*.test.ts'], exclude: [SERVER_OF_ITS_OWN] } },
      {
        extends: true,
        test: { name: 'server', include: ['test/server/**/*.test.{ts,tsx}', 'test/package.test.ts', SERVER_OF_ITS_OWN], globalSetup: 'test/support/sharedGateway.ts' },
      },
    ],
  },
});
