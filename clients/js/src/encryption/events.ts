import type { Message } from '../messages.js';
import type { RefusalCode } from './refusal.js';

export interface EncryptionEvents {
  /** A user of whom keys are known has another one: a new device, or somebody who pretends to be him. */
  keyChanged: (changed: { user: string; key: string; fingerprint: string }) => void;
  /** A message that is not shown: `code` is one of docs/encryption.md, and `refused` what came over the wire. */
  refused: (refusal: { code: RefusalCode; message: string; refused: Message }) => void;
  /** This client encrypts with another key of the room from now on. */
  rotated: (rotated: { room: string; key: string; generation: number }) => void;
  /** What happened in the background and nobody waits for: a store that is full, a member who could not be handed a key. */
  error: (error: Error) => void;
}

export class Events {
  readonly #handlers = new Map<string, Set<(argument: never) => void>>();

  on<E extends keyof EncryptionEvents>(event: E, handler: EncryptionEvents[E]): () => void {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers.add(handler));
    return () => void handlers.delete(handler);
  }

  emit<E extends keyof EncryptionEvents>(event: E, argument: Parameters<EncryptionEvents[E]>[0]): void {
    for (const handler of [...(this.#handlers.get(event) ?? [])]) {
      try {
        (handler as (argument: unknown) => void)(argument);
      } catch (error) {
        // The application's own failure does not keep others from being told, nor messages from coming.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
