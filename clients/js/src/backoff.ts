import type { BackoffOptions } from './api.js';

const DEFAULTS: BackoffOptions = { base: 1_000, max: 30_000, jitter: 1_000, attempts: 10 };

/** Delays between attempts to connect: 1 s doubling to 30 s, plus jitter, so that a server that restarts is not met by everyone at once. */
export class Backoff {
  readonly #options: BackoffOptions;
  #attempts = 0;

  constructor(options: Partial<BackoffOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  get attempts(): number {
    return this.#attempts;
  }

  /** The next delay in milliseconds, or null when it is time to give up. */
  next(): number | null {
    const { base, max, jitter, attempts } = this.#options;
    if (this.#attempts >= attempts) return null;
    return Math.min(max, base * 2 ** this.#attempts++) + Math.random() * jitter;
  }

  reset(): void {
    this.#attempts = 0;
  }
}
