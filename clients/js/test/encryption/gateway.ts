import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const assembly = process.env.GATEWAY ?? fileURLToPath(new URL('../../../../gateway/bin/Debug/net10.0/Gateway.dll', import.meta.url));

/** A real gateway with its log in a folder of its own. */
export class Gateway {
  readonly folder = mkdtempSync(join(tmpdir(), 'realtime-e2e-'));
  url = '';
  #process: ChildProcess | undefined;

  async start(...settings: string[]): Promise<this> {
    const child = spawn('dotnet', [assembly, '--urls', 'http://127.0.0.1:0', '--Realtime:Store:DataFolder', this.folder, ...settings], {
      env: { ...process.env, ASPNETCORE_ENVIRONMENT: 'Development', DOTNET_ENVIRONMENT: 'Development' }, stdio: ['ignore', 'pipe', 'pipe'], cwd: this.folder,
    });
    this.#process = child;
    this.url = await new Promise<string>((resolve, reject) => {
      let output = '';
      const read = (chunk: Buffer) => {
        output += chunk;
        const address = /Now listening on: (\S+)/.exec(output)?.[1];
        if (address) resolve(address);
      };
      child.stdout!.on('data', read);
      child.stderr!.on('data', read);
      child.once('exit', (code) => reject(new Error(`The gateway has ended with ${code}: ${output}`)));
    });
    return this;
  }

  async stop(): Promise<void> {
    const child = this.#process!;
    if (child.exitCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  async token(user: string): Promise<string> {
    return ((await (await fetch(`${this.url}/dev/token?user=${encodeURIComponent(user)}`)).json()) as { token: string }).token;
  }

  async call(user: string, method: string, path: string, body?: unknown): Promise<any> {
    const response = await fetch(`${this.url}/api/${path}`, {
      method,
      headers: { Authorization: `Bearer ${await this.token(user)}`, 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** All files of the log, as they are. */
  files(): Buffer[] {
    return readdirSync(this.folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
  }
}
