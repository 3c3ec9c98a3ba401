import type { Sent, SentState, Unsubscribe } from './api.js';
import { Deferred } from './deferred.js';
import { Emitter } from './emitter.js';
import type { RealtimeError } from './errors.js';
import type { Ack, Delivery, Destination } from './messages.js';

export interface Draft {
  messageId: string;
  to: Destination;
  event: string;
  data: unknown;
  delivery: Delivery;
  key?: string | undefined;
  /** Past the codec. */
  plain: boolean;
  queuedAt: Date;
}

/** What an entry asks of the outbox that it is in. */
export interface EntryOwner {
  retry(entry: Entry): void;
  discard(entry: Entry): void;
}

/** A message on its way, whose states are the outbox's to set. */
export class Entry implements Sent {
  readonly draft: Draft;
  /** The message has come back while its acknowledgement had not. */
  echo: Ack | undefined;
  readonly #owner: EntryOwner;
  readonly #emitter: Emitter<{ state: (state: SentState) => void }>;
  #state: SentState = 'queued';
  #error: RealtimeError | undefined;
  #ack: Ack | undefined;
  #outcome = new Deferred<Ack>();

  constructor(draft: Draft, owner: EntryOwner, report: (error: unknown) => void) {
    this.draft = draft;
    this.#owner = owner;
    this.#emitter = new Emitter(report);
  }

  get messageId(): string {
    return this.draft.messageId;
  }

  get to(): Destination {
    return this.draft.to;
  }

  get event(): string {
    return this.draft.event;
  }

  get data(): unknown {
    return this.draft.data;
  }

  get queuedAt(): Date {
    return this.draft.queuedAt;
  }

  get state(): SentState {
    return this.#state;
  }

  get error(): RealtimeError | undefined {
    return this.#error;
  }

  get ack(): Ack | undefined {
    return this.#ack;
  }

  get kept(): Promise<Ack> {
    return this.#outcome.promise;
  }

  /** Whether nothing more happens by itself. */
  get settled(): boolean {
    return this.#state !== 'queued' && this.#state !== 'sending';
  }

  on(event: 'state', handler: (state: SentState) => void): Unsubscribe {
    return this.#emitter.on(event, handler);
  }

  retry(): void {
    this.#owner.retry(this);
  }

  discard(): void {
    this.#owner.discard(this);
  }

  /** To be sent, for the first time or again. */
  queue(): void {
    if (this.#state === 'failed') this.#outcome = new Deferred();
    this.#error = undefined;
    this.#set('queued');
  }

  begin(): void {
    this.#set('sending');
  }

  keep(ack: Ack): void {
    this.#ack = ack;
    this.#outcome.resolve(ack);
    this.#set('kept');
  }

  fail(error: RealtimeError): void {
    this.#error = error;
    this.#outcome.reject(error);
    this.#set('failed');
  }

  drop(error: RealtimeError): void {
    this.#outcome.reject(error);
    this.#set('discarded');
  }

  #set(state: SentState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#emitter.emit('state', state);
  }
}
