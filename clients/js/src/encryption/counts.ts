import { type Count, newId } from './envelope.js';

/**
 * What this run of the client has encrypted in each conversation. The outbox sends the messages of one conversation one after another, so whichever try of one
 * the server keeps, it has a higher count than what was kept before.
 */
export class Counts {
  readonly #session = newId();
  readonly #last = new Map<string, number>();

  next(conversation: string): Count {
    const n = (this.#last.get(conversation) ?? 0) + 1;
    this.#last.set(conversation, n);
    return { session: this.#session, n };
  }
}
