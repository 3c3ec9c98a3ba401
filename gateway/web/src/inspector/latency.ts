import type { Client } from 'orleans-realtime';
import { Model } from '../model.ts';

const PERIOD = 2_000;

/** Two minutes. */
const KEPT = 60;

/** Round trips to the gateway, measured while somebody looks. */
export class Latency extends Model {
  /** In milliseconds, oldest first. */
  samples: readonly number[] = [];
  #client: Client | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  #watchers = 0;

  attach(client: Client): void {
    this.#client = client;
  }

  /** @returns Ends it. */
  watch(): () => void {
    if (++this.#watchers === 1) {
      void this.#measure();
      this.#timer = setInterval(() => void this.#measure(), PERIOD);
    }
    return () => {
      if (--this.#watchers === 0 && this.#timer) clearInterval(this.#timer);
    };
  }

  async #measure(): Promise<void> {
    if (this.#client?.state !== 'connected' || document.visibilityState !== 'visible') return;
    try {
      this.samples = [...this.samples, await this.#client.ping()].slice(-KEPT);
      this.flush();
    } catch {
      // The connection was lost meanwhile; its state says so.
    }
  }
}
