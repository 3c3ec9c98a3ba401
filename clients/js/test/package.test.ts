import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const project = mkdtempSync(join(tmpdir(), 'realtime-js-package-'));

beforeAll(async () => {
  if (!existsSync(join(root, 'dist/index.js'))) throw new Error('The package is not built: run "npm run build" first.');
  await install();
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

async function install(): Promise<void> {
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--pack-destination', project], { cwd: root });
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'fresh', private: true, type: 'module' }));
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', `./${stdout.trim().split('\n').at(-1)}`], { cwd: project });
}

it('is installed into a fresh project, where the ten lines of its README run', async () => {
  const [, example] = /```js\n(.*?)```/s.exec(readFileSync(join(root, 'README.md'), 'utf8'))!;
  writeFileSync(join(project, 'example.js'), example!.replace('http://127.0.0.1:5000', inject('gatewayUrl')));
  const program = spawn('node', ['example.js'], { cwd: project, stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  program.stdout.on('data', (text) => { stdout += text; });
  try {
    // Which of the two is first is not said.
    await vi.waitFor(() => {
      expect(stdout).toMatch(/^ann { text: 'hello' }$/m);
      expect(stdout).toMatch(/^kept at \S+:1$/m);
    }, { timeout: 20_000 });
  } finally {
    program.kill();
  }
});

it('has types for the strictest settings, for bundlers and for Node', async () => {
  writeFileSync(join(project, 'example.ts'), `
    import { connect, type Message } from 'orleans-realtime';
    const client = connect({ token: 'x', transport: 'sse' });
    const room = client.room<{ text: string }>('general');
    room.on('message', (message: Message<{ text: string }>) => message.data.text.length);
    const offset: Promise<number | undefined> = room.send({ text: 'x' }).kept.then((ack) => ack.offset);
    export { offset };
  `);
  const tsc = join(root, 'node_modules/.bin/tsc');
  const settings = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'es2022', '--lib', 'es2022,dom,dom.iterable', '--types', '', 'example.ts'];
  await Promise.all([['bundler', 'esnext'], ['nodenext', 'nodenext']].map(([resolution, module]) =>
    run(tsc, ['--moduleResolution', resolution!, '--module', module!, ...settings], { cwd: project })));
});
