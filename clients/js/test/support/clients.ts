import { afterEach } from 'vitest';
import { connect, type Client, type ConnectOptions } from '../../src/index.js';
import type { RunningGateway } from './gateway.js';

const open: Client[] = [];

afterEach(() => {
  for (const client of open.splice(0)) client.close();
});

/** A client of this user, closed after the test. Delays are short, and there are many attempts: a server needs seconds to start again. */
export function clientOf(gateway: RunningGateway, user: string, options: Partial<ConnectOptions> = {}): Client {
  const client = connect({
    url: gateway.url,
    getToken: () => gateway.token(user),
    backoff: { base: 25, max: 200, jitter: 10, attempts: 200 },
    ...options,
  });
  open.push(client);
  return client;
}

let rooms = 0;

/** The name of a room that no other test uses. */
export const freshName = (what = 'room'): string => `${what}-${process.pid}-${++rooms}`;

/** Resolves when the client is in this state. */
export function inState(client: Client, state: Client['state']): Promise<void> {
  if (client.state === state) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = client.on('state', (now) => {
      if (now !== state) return;
      stop();
      resolve();
    });
  });
}

/** Resolves when the client has nothing more to send. */
export function emptied({ outbox }: Client): Promise<void> {
  if (outbox.size === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = outbox.on('change', () => {
      if (outbox.size > 0) return;
      stop();
      resolve();
    });
  });
}

/** What a page leaves in a Storage. */
export class MemoryStorage {
  readonly items = new Map<string, string>();

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }

  removeItem(key: string): void {
    this.items.delete(key);
  }
}
