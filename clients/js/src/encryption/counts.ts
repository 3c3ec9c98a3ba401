import { type Count, newId } from './envelope.js';

/** Messages of a conversation whose acknowledgement is waited for, at most: of one more the oldest has a new count if it is sent again. */
const maxWaiting = 10_000;

interface Conversation {
  /** The last that was given out. */
  n: number;
  /** Of messages that are not settled. */
  waiting: Map<string, number>;
  /** The highest that the server has acknowledged. */
  kept: number;
  /** The highest that has been sent on this connection. */
  sent: number;
}

/**
 * What this run of the client has encrypted in each conversation. A receiver refuses counts that do not grow in the server's order, so a
 * message that is sent again keeps its count where its first try may still arrive before what follows, and else has a new one.
 */
export class Counts {
  readonly session = newId();
  readonly #conversations = new Map<string, Conversation>();

  next(conversation: string, messageId: string): Count {
    const of = this.#of(conversation);
    const before = of.waiting.get(messageId);
    const n = before !== undefined && before > of.sent && before > of.kept ? before : ++of.n;
    of.sent = n;
    of.waiting.delete(messageId);
    of.waiting.set(messageId, n);
    if (of.waiting.size > maxWaiting) {
      of.waiting.delete(of.waiting.keys().next().value!);
    }
    return { session: this.session, n };
  }

  /** The server has acknowledged it, or it has failed for good. */
  settled(conversation: string, messageId: string, kept: boolean): void {
    const of = this.#of(conversation);
    const n = of.waiting.get(messageId);
    of.waiting.delete(messageId);
    if (kept && n !== undefined) {
      of.kept = Math.max(of.kept, n);
    }
  }

  /** What has not been acknowledged will be sent again, in order. */
  connectionLost(): void {
    for (const of of this.#conversations.values()) {
      of.sent = 0;
    }
  }

  #of(conversation: string): Conversation {
    let of = this.#conversations.get(conversation);
    if (!of) {
      of = { n: 0, waiting: new Map(), kept: 0, sent: 0 };
      this.#conversations.set(conversation, of);
    }
    return of;
  }
}
