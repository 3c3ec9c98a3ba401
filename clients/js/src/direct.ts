import type { Direct, RoomOptions, Sent, Unsubscribe } from './api.js';
import { Emitter } from './emitter.js';
import type { Message, SendOptions } from './messages.js';

export class DirectConversation implements Direct {
  readonly user: string;
  readonly #emitter: Emitter<{ message: (message: Message) => void }>;
  readonly #send: (data: unknown, options: SendOptions) => Sent;
  #encrypted = false;

  constructor(user: string, { send, report }: { send: (data: unknown, options: SendOptions) => Sent; report: (error: unknown) => void }) {
    this.user = user;
    this.#send = send;
    this.#emitter = new Emitter(report);
  }

  get encrypted(): boolean {
    return this.#encrypted;
  }

  configure({ encrypted }: RoomOptions): this {
    this.#encrypted ||= encrypted ?? false;
    return this;
  }

  send(data: unknown, options: SendOptions = {}): Sent {
    return this.#send(data, options);
  }

  on(event: 'message', handler: (message: Message) => void): Unsubscribe {
    return this.#emitter.on(event, handler);
  }

  received(message: Message): void {
    this.#emitter.emit('message', message);
  }
}
