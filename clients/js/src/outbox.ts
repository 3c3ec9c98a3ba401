import type { Outbox, Sent, Unsubscribe } from './api.js';
import { asBytes, fromBase64, toBase64 } from './binary.js';
import { Emitter } from './emitter.js';
import { isPermanent, RealtimeError } from './errors.js';
import type { Ack, Delivery, Destination, Message } from './messages.js';
import { Entry, type Draft, type EntryOwner } from './sent.js';
import type { SavedEntry } from './storage.js';

const DEFAULT_LIMIT = 1_000;
// Milliseconds before what failed on a living connection is tried again: doubled each time, up to the longest.
const FIRST_RETRY = 500;
const LONGEST_RETRY = 30_000;

export interface OutboxHooks {
  /** Sends it now; rejects where that cannot be or nobody knows. */
  deliver(entry: Entry): Promise<Ack>;
  /** Whether it makes sense to try: connected, and in the room. */
  ready(to: Destination): boolean;
  /** To be saved. */
  changed(): void;
  report(error: unknown): void;
}

/** The messages to one room, user or namespace, which go one after another. */
interface Lane {
  to: Destination;
  entries: Entry[];
  busy: boolean;
  failures: number;
  timer?: ReturnType<typeof setTimeout> | undefined;
}

/**
 * What is not kept yet. Messages of one conversation are sent one after another, so they are kept in the order in which they were written; what is sent again
 * goes under the same message id, of which the server keeps one.
 */
export class MessageOutbox implements Outbox, EntryOwner {
  readonly #hooks: OutboxHooks;
  readonly #limit: number;
  readonly #emitter: Emitter<{ change: () => void }>;
  readonly #lanes = new Map<string, Lane>();
  /** In the order in which they were written. */
  #entries: readonly Entry[] = [];
  #closed = false;

  constructor(hooks: OutboxHooks, limit = DEFAULT_LIMIT) {
    this.#hooks = hooks;
    this.#limit = limit;
    this.#emitter = new Emitter(hooks.report);
  }

  get size(): number {
    return this.#entries.length;
  }

  /** A new array after each change. */
  get entries(): readonly Sent[] {
    return this.#entries;
  }

  on(event: 'change', handler: () => void): Unsubscribe {
    return this.#emitter.on(event, handler);
  }

  add(draft: Draft): Sent {
    const entry = new Entry(draft, this, this.#hooks.report);
    if (this.#closed) {
      entry.fail(new RealtimeError('closed', 'The client is closed.'));
    } else if (draft.delivery === 'transient') {
      void this.#sendOnce(entry);
    } else {
      this.#enqueue(entry);
    }
    return entry;
  }

  /** What a former page load left, to go before what was written since. */
  restore(saved: readonly SavedEntry[]): void {
    const known = new Set(this.#entries.map((entry) => entry.messageId));
    const restored = saved.filter(({ messageId }) => !known.has(messageId)).map((item) => {
      const entry = new Entry(toDraft(item), this, this.#hooks.report);
      if (item.failed) entry.fail(new RealtimeError(item.failed.code, item.failed.message));
      return entry;
    });
    if (restored.length === 0) return;
    this.#entries = [...restored, ...this.#entries];
    for (const entry of [...restored].reverse()) {
      if (!entry.settled) this.#lane(entry.to).entries.unshift(entry);
    }
    this.#changed();
  }

  saved(): SavedEntry[] {
    return this.#entries.map(toSaved);
  }

  /** Connected, or in a room: what waits for that can go. */
  drain(): void {
    for (const lane of [...this.#lanes.values()]) {
      clearTimeout(lane.timer);
      lane.timer = undefined;
      lane.failures = 0;
      void this.#send(lane);
    }
  }

  /** A message of one's own has come back: it is kept. The acknowledgement is waited for as long as it can still come. */
  seen(message: Message): void {
    const entry = this.#entries.find(({ messageId, to }) => messageId === message.messageId && to.kind === 'room' && to.room === message.room);
    if (!entry) return;
    const ack: Ack = {
      time: message.time, messageId: entry.messageId, duplicate: true,
      ...(message.cursor !== undefined && { epoch: message.epoch!, offset: message.offset!, cursor: message.cursor }),
    };
    if (entry.state === 'sending') entry.echo = ack;
    else this.#kept(entry, ack);
  }

  retry(entry: Entry): void {
    if (entry.state !== 'failed' || this.#closed) return;
    if (entry.draft.delivery === 'transient') {
      entry.queue();
      void this.#sendOnce(entry);
    } else {
      if (!this.#entries.includes(entry)) entry.queue();
      this.#enqueue(entry);
    }
  }

  discard(entry: Entry): void {
    if (entry.state === 'kept' || entry.state === 'discarded') return;
    this.#remove(entry);
    entry.drop(new RealtimeError('discarded', 'The message was taken out of the outbox.'));
  }

  close(): void {
    this.#closed = true;
    for (const lane of this.#lanes.values()) clearTimeout(lane.timer);
    this.#lanes.clear();
    const error = new RealtimeError('closed', 'The client was closed before the message was kept.');
    for (const entry of this.#entries) {
      if (!entry.settled) entry.fail(error);
    }
  }

  #enqueue(entry: Entry): void {
    const known = this.#entries.includes(entry);
    if (!known && this.#entries.length >= this.#limit) {
      entry.fail(new RealtimeError('outbox_full', `The outbox is full: ${this.#limit} messages wait already. Try again once some are kept.`));
      return;
    }
    if (!known) this.#entries = [...this.#entries, entry];
    entry.queue();
    const lane = this.#lane(entry.to);
    lane.entries.push(entry);
    this.#changed();
    void this.#send(lane);
  }

  #lane(to: Destination): Lane {
    const key = to.kind === 'room' ? `room:${to.room}` : to.kind === 'direct' ? `direct:${to.user}` : `namespace:${to.namespace}`;
    let lane = this.#lanes.get(key);
    if (!lane) this.#lanes.set(key, (lane = { to, entries: [], busy: false, failures: 0 }));
    return lane;
  }

  /** Sends what waits in a lane, one at a time, as far as that goes. */
  async #send(lane: Lane): Promise<void> {
    if (lane.busy || lane.timer !== undefined) return;
    lane.busy = true;
    while (!this.#closed && lane.timer === undefined && lane.entries.length > 0 && this.#hooks.ready(lane.to)) {
      await this.#attempt(lane, lane.entries[0]!);
    }
    lane.busy = false;
  }

  async #attempt(lane: Lane, entry: Entry): Promise<void> {
    entry.begin();
    try {
      const ack = await this.#hooks.deliver(entry);
      lane.failures = 0;
      if (!entry.settled) this.#kept(entry, ack);
    } catch (error) {
      if (entry.settled) return;
      if (entry.echo) return this.#kept(entry, entry.echo);
      if (isPermanent(error)) {
        lane.entries = lane.entries.filter((other) => other !== entry);
        entry.fail(error as RealtimeError);
        this.#changed();
        return;
      }
      entry.queue();
      // Where the connection is lost, the next one drains.
      if (!this.#hooks.ready(lane.to)) return;
      lane.timer = setTimeout(() => {
        lane.timer = undefined;
        void this.#send(lane);
      }, Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** lane.failures++));
    }
  }

  /** What is not to be kept is sent now or not at all. */
  async #sendOnce(entry: Entry): Promise<void> {
    try {
      if (!this.#hooks.ready(entry.to)) throw new RealtimeError('not_connected', 'A transient message is not queued, and there is no connection now.');
      entry.begin();
      entry.keep(await this.#hooks.deliver(entry));
    } catch (error) {
      entry.fail(error instanceof RealtimeError ? error : new RealtimeError('connection_lost', 'The connection was lost meanwhile.', { cause: error }));
    }
  }

  #kept(entry: Entry, ack: Ack): void {
    entry.keep(ack);
    this.#remove(entry);
  }

  #remove(entry: Entry): void {
    this.#entries = this.#entries.filter((other) => other !== entry);
    const lane = this.#lane(entry.to);
    lane.entries = lane.entries.filter((other) => other !== entry);
    this.#changed();
  }

  #changed(): void {
    this.#hooks.changed();
    this.#emitter.emit('change');
  }
}

function toSaved(entry: Entry): SavedEntry {
  const { messageId, to, event, data, delivery, key, plain, queuedAt } = entry.draft;
  const bytes = asBytes(data);
  return {
    messageId, to, event, delivery, queuedAt: queuedAt.getTime(),
    data: bytes ? toBase64(bytes) : data,
    ...(bytes && { binary: true }),
    ...(key !== undefined && { key }),
    ...(plain && { plain }),
    ...(entry.error && { failed: { code: entry.error.code, message: entry.error.message } }),
  };
}

function toDraft({ messageId, to, event, data, binary, delivery, key, plain, queuedAt }: SavedEntry): Draft {
  return {
    messageId, event, key,
    to: to as Destination,
    data: binary ? fromBase64(data as string) : data,
    delivery: (delivery ?? 'durable') as Delivery,
    plain: plain ?? false,
    queuedAt: new Date(queuedAt),
  };
}
