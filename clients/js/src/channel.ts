import { parseCursor } from './cursor.js';
import type { Gap, Message } from './messages.js';

export interface ChannelHooks {
  /** Asked at once; true: somebody else has taken the message, which then counts as delivered in its turn. */
  intercept(message: Message): boolean;
  /** Undefined: the message is delivered as it is, at once. */
  decode(message: Message): Promise<() => void> | undefined;
  deliver(message: Message): void;
  gap(gap: Gap): void;
  /** Something was delivered: the cursor has moved. */
  moved(): void;
}

/**
 * One log as this client follows it. Whatever a transport brings, an offset is delivered once and in order. What has to be decoded waits in a queue, so there are two
 * places: how far the log was received, from where a connection resumes, and how far it was delivered, from where the next page load does.
 */
export class Channel {
  readonly #hooks: ChannelHooks;
  /** What all gaps of this channel have. */
  readonly #name: Pick<Gap, 'room' | 'namespace'>;
  #epoch: string | undefined;
  #offset = 0;
  #delivered: string | undefined;
  /** The epoch whose beginning was noticed by a message of it; the transport tells it as well, then or later. */
  #noticed: string | undefined;
  #tail: Promise<void> | undefined;
  /** What was queued before the channel was left is of no interest. */
  #generation = 0;

  constructor(name: Pick<Gap, 'room' | 'namespace'>, hooks: ChannelHooks) {
    this.#name = name;
    this.#hooks = hooks;
  }

  get received(): string | undefined {
    return this.#epoch === undefined ? undefined : `${this.#epoch}:${this.#offset}`;
  }

  get delivered(): string | undefined {
    return this.#delivered;
  }

  /** Delivery begins, or goes on, after this cursor. It does not go back. */
  begin(cursor: string): void {
    this.#noticed = undefined;
    if (this.#advance(cursor)) this.#enqueue(() => this.#moveTo(cursor));
  }

  receive(message: Message): void {
    const { cursor } = message;
    if (cursor !== undefined) {
      const { epoch } = parseCursor(cursor);
      if (this.#epoch !== undefined && epoch !== this.#epoch) {
        this.#noticed = epoch;
        this.#enqueue(() => this.#hooks.gap({ ...this.#name, reason: 'new_epoch', cursor }));
      }
      if (!this.#advance(cursor)) return;
    }
    if (!this.#hooks.intercept(message)) this.#enqueue(() => this.#pass(message));
    else if (cursor !== undefined) this.#enqueue(() => this.#moveTo(cursor));
  }

  /** The server says that messages are gone. */
  gap(gap: Gap): void {
    const cursor = gap.cursor;
    const epoch = cursor === undefined ? undefined : parseCursor(cursor).epoch;
    if (cursor !== undefined) this.#advance(cursor);
    if (epoch !== undefined && epoch === this.#noticed) {
      this.#noticed = undefined;
      return;
    }
    this.#enqueue(() => {
      this.#hooks.gap({ ...this.#name, ...gap });
      if (cursor !== undefined) this.#moveTo(cursor);
    });
  }

  /** It is not followed any more, and begins anew some time. */
  forget(): void {
    this.#generation++;
    this.#epoch = undefined;
    this.#offset = 0;
    this.#delivered = undefined;
    this.#noticed = undefined;
    this.#tail = undefined;
  }

  /** Whether that is news. */
  #advance(cursor: string): boolean {
    const { epoch, offset } = parseCursor(cursor);
    if (epoch === this.#epoch && offset <= this.#offset) return false;
    this.#epoch = epoch;
    this.#offset = offset;
    return true;
  }

  #moveTo(cursor: string): void {
    this.#delivered = cursor;
    this.#hooks.moved();
  }

  #pass(message: Message): void | Promise<void> {
    const generation = this.#generation;
    const deliver = (action: () => void) => {
      if (generation !== this.#generation) return;
      action();
      if (message.cursor !== undefined) this.#moveTo(message.cursor);
    };
    const decoded = this.#hooks.decode(message);
    if (!decoded) return deliver(() => this.#hooks.deliver(message));
    return decoded.then(deliver);
  }

  /** In turn; at once where nothing waits. */
  #enqueue(task: () => void | Promise<void>): void {
    const generation = this.#generation;
    if (this.#tail) {
      this.#await(this.#tail.then(() => (generation === this.#generation ? task() : undefined)));
      return;
    }
    const running = task();
    if (running instanceof Promise) this.#await(running);
  }

  #await(running: Promise<void>): void {
    const tail = running.finally(() => {
      if (this.#tail === tail) this.#tail = undefined;
    });
    this.#tail = tail;
  }
}
