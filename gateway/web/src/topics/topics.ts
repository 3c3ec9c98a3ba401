import type { Client, Subscription } from 'orleans-realtime';
import type { Memory } from '../chat/memory.ts';
import { Model } from '../model.ts';
import { messageOf } from '../ui/text.ts';

const KEPT = 100;

export interface Received {
  id: number;
  topic: string;
  data: unknown;
  from?: string;
  at: Date;
}

export interface Pattern {
  pattern: string;
  count: number;
}

/** What the user listens to, and what has come. */
export class Topics extends Model {
  patterns: readonly Pattern[];
  received: readonly Received[] = [];
  /** Why the last pattern was not taken. */
  error: string | null = null;
  #client!: Client;
  #subscriptions = new Map<string, Subscription>();
  #ids = new Set<string>();
  #last = 0;

  constructor(private readonly memory: Memory) {
    super();
    this.patterns = memory.state.subscriptions.map((pattern) => ({ pattern, count: 0 }));
  }

  attach(client: Client): void {
    this.#client = client;
    this.#subscriptions.clear();
    for (const { pattern } of this.patterns) this.#listen(pattern);
  }

  subscribe(pattern: string): void {
    this.error = null;
    if (!this.patterns.some((known) => known.pattern === pattern)) {
      this.patterns = [...this.patterns, { pattern, count: 0 }];
      this.#listen(pattern);
    }
    this.#remember();
  }

  unsubscribe(pattern: string): void {
    this.#subscriptions.get(pattern)?.();
    this.#subscriptions.delete(pattern);
    this.patterns = this.patterns.filter((known) => known.pattern !== pattern);
    this.#remember();
  }

  async publish(topic: string, data: unknown): Promise<void> {
    await this.#client.publish(topic, data);
  }

  #listen(pattern: string): void {
    try {
      const subscription = this.#client.subscribe(pattern, (data, { topic, from, cursor, time }) => {
        this.patterns = this.patterns.map((known) => (known.pattern === pattern ? { ...known, count: known.count + 1 } : known));
        // Two patterns may match the same publication.
        const place = `${topic} ${cursor}`;
        if (!cursor || !this.#ids.has(place)) {
          this.#ids.add(place);
          this.received = [{ id: ++this.#last, topic, data, from, at: new Date(time) }, ...this.received].slice(0, KEPT);
        }
        this.changed();
      });
      this.#subscriptions.set(pattern, subscription);
      subscription.ready.catch((error: unknown) => this.#refused(pattern, error));
    } catch (error) {
      this.#refused(pattern, error);
    }
  }

  #refused(pattern: string, error: unknown): void {
    // What ended with the client of another transport goes on with the next one.
    if (!this.#subscriptions.has(pattern) && !this.patterns.some((known) => known.pattern === pattern)) return;
    this.unsubscribe(pattern);
    this.error = messageOf(error);
    this.flush();
  }

  #remember(): void {
    this.memory.update({ subscriptions: this.patterns.map(({ pattern }) => pattern) });
    this.flush();
  }
}
