import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const GATEWAY = fileURLToPath(new URL('../../../../gateway/bin/Debug/net10.0/Gateway.dll', import.meta.url));
const LISTENING = /Now listening on: (http:\/\/\S+)/;

/** A gateway that is there. */
export class RunningGateway {
  url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** A token as anyone gets in Development; the query as docs/api.md has it. */
  async token(user: string, query: Record<string, string> = {}): Promise<string> {
    const response = await fetch(`${this.url}/dev/token?${new URLSearchParams({ user, ...query })}`);
    if (!response.ok) throw new Error(`/dev/token answered ${response.status}`);
    return ((await response.json()) as { token: string }).token;
  }
}

/** The server as it is shipped, in a process that can be killed and started again at the same address, with the same data. */
export class Gateway extends RunningGateway {
  readonly #settings: Record<string, string>;
  /** Where the log is; gone with `stop`. */
  readonly dataFolder = mkdtempSync(join(tmpdir(), 'realtime-js-'));
  #process: ChildProcess | undefined;

  private constructor(settings: Record<string, string>) {
    super('http://127.0.0.1:0');
    this.#settings = settings;
  }

  static async start(settings: Record<string, string> = {}): Promise<Gateway> {
    if (!existsSync(GATEWAY)) {
      throw new Error('The gateway is not built, and these tests do not build it: run "dotnet build gateway/Gateway.csproj" in the repository first.');
    }
    const gateway = new Gateway(settings);
    await gateway.restart();
    return gateway;
  }

  /** Where it has no address yet, at a free port. */
  async restart(): Promise<void> {
    const settings = { 'Realtime:Store:DataFolder': this.dataFolder, ...this.#settings };
    const process_ = spawn('dotnet', [GATEWAY, '--urls', this.url, ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`)], {
      // Not in the repository: the gateway takes the settings beside its assembly.
      cwd: join(GATEWAY, '..'),
      env: { ...process.env, ASPNETCORE_ENVIRONMENT: 'Development', Logging__LogLevel__Default: 'Warning', 'Logging__LogLevel__Microsoft.Hosting.Lifetime': 'Information' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = process_;
    const output: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const take = (line: string) => {
        if (output.push(line) > 200) output.shift();
        const address = LISTENING.exec(line)?.[1];
        if (!address) return;
        this.url = address;
        resolve();
      };
      createInterface(process_.stdout!).on('line', take);
      createInterface(process_.stderr!).on('line', take);
      process_.once('exit', (code) => reject(new Error(`The gateway has ended with ${code}:\n${output.join('\n')}`)));
      process_.once('error', reject);
    });
  }

  /** SIGKILL: the process has no say in it. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM: it may say goodbye. */
  async terminate(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.dataFolder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const process_ = this.#process;
    this.#process = undefined;
    if (!process_ || process_.exitCode !== null || process_.signalCode !== null) return;
    const exited = new Promise((resolve) => process_.once('exit', resolve));
    process_.kill(signal);
    await exited;
  }
}
