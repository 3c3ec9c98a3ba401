import type { Client } from './api.js';
import { isRefused, type Codec, type DecodeContext, type EncodeContext, type Refused } from './codec.js';
import { RealtimeError } from './errors.js';
import type { Message, Refusal } from './messages.js';

const noCodec = (conversation: string): RealtimeError =>
  new RealtimeError('not_encrypted', `${conversation} is declared encrypted, and the client has no codec that could do it.`, { permanent: true });

/** Puts messages through the client's codec, if it has one. Where it has none, what is declared encrypted is neither sent nor accepted. */
export class Coding {
  #codec: Codec | undefined;
  #detach: (() => void) | undefined;

  use(codec: Codec, client: Client): void {
    if (this.#codec) throw new RealtimeError('invalid_argument', 'A client has one codec at most.');
    this.#codec = codec;
    this.#detach = codec.attach?.(client) ?? undefined;
  }

  close(): void {
    this.#detach?.();
  }

  async encode(context: EncodeContext, data: unknown): Promise<unknown> {
    if (this.#codec) return this.#codec.encode(context, data);
    if (context.encrypted) throw noCodec(context.kind === 'room' ? `The room '${context.room}'` : `The conversation with '${context.user}'`);
    return data;
  }

  intercept(message: Message, context: () => DecodeContext): boolean {
    return this.#codec?.intercept?.(message, context()) ?? false;
  }

  /** What is to be done with a message that has come; undefined where it is to be delivered as it is. */
  live(message: Message, context: DecodeContext, actions: { accept(message: Message): void; refuse(refusal: Refusal): void }): Promise<() => void> | undefined {
    if (!this.#codec && !context.encrypted) return undefined;
    return this.#decode(message, context).then((result) => () => {
      if (result === undefined) return;
      if (isRefused(result)) actions.refuse(result.refused);
      else actions.accept(result);
    });
  }

  async page(messages: Message[], context: (message: Message) => DecodeContext): Promise<Message[]> {
    const decoded: Message[] = [];
    for (const message of messages) {
      const result = await this.#decode(message, context(message));
      if (result !== undefined) decoded.push(isRefused(result) ? { ...message, data: null, refused: result.refused } : result);
    }
    return decoded;
  }

  async #decode(message: Message, context: DecodeContext): Promise<Message | Refused | undefined> {
    if (!this.#codec) return context.encrypted ? { refused: noCodec('The conversation') } : message;
    try {
      return await this.#codec.decode(message, context);
    } catch (error) {
      return { refused: { code: 'malformed', message: error instanceof Error ? error.message : String(error) } };
    }
  }
}
