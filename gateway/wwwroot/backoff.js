const FIRST = 1_000;
const LONGEST = 30_000;
const JITTER = 1_000;
const ATTEMPTS = 10;

/** Delays between attempts to reconnect: 1 s doubling to 30 s, plus jitter so that a restarted server is not met by everyone at once. */
export class Backoff {
  #attempts = 0;

  get attempts() {
    return this.#attempts;
  }

  /** The next delay in milliseconds, or null when it is time to give up. */
  next() {
    if (this.#attempts >= ATTEMPTS) return null;
    return Math.min(LONGEST, FIRST * 2 ** this.#attempts++) + Math.random() * JITTER;
  }

  reset() {
    this.#attempts = 0;
  }
}
