// Usage: bundle.mjs FILE. Writes the script for a browser.
import { build } from 'esbuild';

const { outputFiles } = await build({
  entryPoints: [process.argv[2]],
  bundle: true,
  write: false,
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
  logLevel: 'warning',
});
process.stdout.write(outputFiles[0].text);
