// Writes tests/Encryption/vectors.json, which the JavaScript and the .NET client both check: node test/vectors.mjs
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const { module } = await runnerImport(fileURLToPath(new URL('encryption/makeVectors.ts', import.meta.url)));
writeFileSync(new URL('../../../tests/Encryption/vectors.json', import.meta.url), `${JSON.stringify(module.vectors, null, 1)}\n`);
