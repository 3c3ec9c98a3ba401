// Builds the page into ../wwwroot, from the .NET build (web.targets) or by hand. Exit codes:
//   0   it is there and current
//   75  it cannot be built here: Node is too old, or npm cannot get the packages (EX_TEMPFAIL; the .NET build goes on with the fallback)
//   1   it does not compile, which is a mistake in the page
// The page is built beside and then put in place, and one process at a time does it, so that builds may run side by side.
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const CANNOT = 75;
const OLDEST_NODE = [20, 19];
const WAIT = 250;
// Longer than any build takes, `npm ci` on a slow line included.
const ABANDONED_AFTER = 10 * 60_000;

const here = fileURLToPath(new URL('.', import.meta.url));
const client = fileURLToPath(new URL('../../clients/js/src', import.meta.url));
const page = fileURLToPath(new URL('../wwwroot', import.meta.url));
const work = fileURLToPath(new URL('../obj/web', import.meta.url));
const lock = `${work}/lock`;

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
  console.log(`Node ${process.versions.node} is older than ${OLDEST_NODE.join('.')}.`);
  process.exit(CANNOT);
}

mkdirSync(work, { recursive: true });
await acquire();
try {
  process.exitCode = build();
} finally {
  rmSync(lock, { force: true });
}

function build() {
  if (isCurrent()) return 0;
  if (!packagesAreCurrent()) {
    // No retries: someone who builds offline should not wait for them.
    const status = run('npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--fetch-retries=0', '--loglevel=error');
    if (status !== 0) return CANNOT;
  }
  const built = `${work}/built`;
  process.env.OUT_DIR = built;
  const status = run('node', 'node_modules/vite/bin/vite.js', 'build', '--logLevel=warn');
  if (status !== 0) return 1;
  rmSync(page, { recursive: true, force: true });
  renameSync(built, page);
  return 0;
}

/** Whether another build, for which this one has waited, has done it. */
function isCurrent() {
  return existsSync(`${page}/index.html`) && newest(here, client) < statSync(`${page}/index.html`).mtimeMs;
}

function packagesAreCurrent() {
  const installed = `${here}/node_modules/.package-lock.json`;
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(`${here}/package-lock.json`).mtimeMs;
}

function newest(...folders) {
  let time = 0;
  for (const folder of folders) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name === 'node_modules') continue;
      const path = `${folder}/${entry.name}`;
      time = Math.max(time, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
    }
  }
  return time;
}

function run(command, ...args) {
  const { status } = spawnSync(command, args, { cwd: here, stdio: 'inherit', shell: process.platform === 'win32' });
  return status;
}

/** The lock is a file with the process's id; one whose process has ended is taken over. */
async function acquire() {
  for (;;) {
    try {
      const file = openSync(lock, 'wx');
      writeSync(file, `${process.pid}`);
      closeSync(file);
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (isAbandoned()) rmSync(lock, { force: true });
    else await new Promise((resolve) => setTimeout(resolve, WAIT));
  }
}

function isAbandoned() {
  try {
    if (Date.now() - statSync(lock).mtimeMs > ABANDONED_AFTER) return true;
    const owner = Number(readFileSync(lock, 'utf8'));
    if (owner) process.kill(owner, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}
