import type { Refusal } from 'orleans-realtime';

export type EntryState = 'pending' | 'failed' | 'acknowledged' | 'received';

/** A message as the page shows it. Entries are replaced, never changed, so that a row is drawn again only when it must. */
export interface MessageEntry {
  kind: 'message';
  id: string;
  order: Order;
  state: EntryState;
  mine: boolean;
  event: string;
  data: unknown;
  from?: string;
  time?: string;
  epoch?: string;
  offset?: number;
  messageId?: string;
  /** Why it was not kept. */
  error?: string;
  encrypted?: boolean;
  /** It came, but what it says cannot be trusted or read. */
  refused?: Refusal;
}

export interface GapEntry {
  kind: 'gap';
  id: string;
  order: Order;
}

export type Entry = MessageEntry | GapEntry;

type Order = readonly [number, number, number];
type Received = Omit<MessageEntry, 'kind' | 'id' | 'order' | 'state' | 'mine'>;

/**
 * The messages of one conversation in their order, each once. A room is ordered by offset; a conversation with a user
 * by time, since what was sent and what was received are numbered in two different inboxes.
 */
export class Timeline {
  /** A new array after each change. */
  entries: readonly Entry[] = [];
  #byTime: boolean;
  #ids = new Map<string, Entry>();
  #pending = new Map<string, MessageEntry>(); // By message id: what this tab sent.
  #epochs: string[] = []; // In the order met: a new epoch comes after the ones before.
  #arrivals = 0;

  constructor({ byTime = false } = {}) {
    this.#byTime = byTime;
  }

  /** The oldest offset of the present epoch, below which history may go on; undefined where nothing is loaded. */
  get oldestOffset(): number | undefined {
    const epoch = this.#epochs.at(-1);
    const oldest = this.entries.find((entry) => entry.kind === 'message' && entry.epoch === epoch && entry.offset);
    return (oldest as MessageEntry | undefined)?.offset;
  }

  /** A received message. False where it is there already. */
  add(message: Received, mine: boolean): boolean {
    if (this.#ids.has(placeOf(message) ?? '')) return false;
    const pending = mine && message.messageId ? this.#pending.get(message.messageId) : undefined;
    if (pending) this.#drop(pending);
    // What this tab encrypted it knows, whatever came back.
    const content = pending ? { ...pending, ...message, data: pending.data, encrypted: pending.encrypted, refused: undefined, error: undefined } : message;
    this.#insert(content, mine ? 'acknowledged' : 'received', mine);
    return true;
  }

  /** What a message says has become readable after all. */
  replace(message: Received): void {
    const old = this.#ids.get(placeOf(message) ?? '');
    if (old?.kind !== 'message') return;
    const entry = { ...old, data: message.data, encrypted: message.encrypted, refused: message.refused };
    this.#ids.set(old.id, entry);
    this.entries = this.entries.map((other) => (other === old ? entry : other));
  }

  addPending(message: { from: string; data: unknown; messageId: string; encrypted?: boolean }): void {
    if (this.#pending.has(message.messageId)) return;
    this.#pending.set(message.messageId, this.#insert({ event: 'message', ...message }, 'pending', true));
  }

  /** Moves a message that is not kept yet between waiting and failed. */
  mark(messageId: string, state: 'pending' | 'failed', error?: string): void {
    const old = this.#pending.get(messageId);
    if (!old || (old.state === state && old.error === error)) return;
    const entry = { ...old, state, error };
    this.#pending.set(messageId, entry);
    this.#ids.set(old.id, entry);
    this.entries = this.entries.map((other) => (other === old ? entry : other));
  }

  /** A sent message was kept, and now has its place. */
  acknowledge(messageId: string, ack: { epoch: string; offset: number; time: string }): void {
    const pending = this.#pending.get(messageId);
    if (!pending) return;
    this.#drop(pending);
    if (!this.#ids.has(placeOf(ack)!)) {
      this.#insert({ ...pending, ...ack, error: undefined }, 'acknowledged', true);
    }
  }

  discard(messageId: string): void {
    const pending = this.#pending.get(messageId);
    if (pending) this.#drop(pending);
  }

  /** Forgets the oldest entries of a long conversation; they can be loaded again. */
  trim(count: number): void {
    for (const entry of this.entries.slice(0, count)) this.#ids.delete(entry.id);
    this.entries = this.entries.slice(count);
  }

  /** The place after which a gap would be, taken before the messages that follow it arrive. */
  end(): Order {
    return this.entries.findLast((entry) => entry.order[0] !== Infinity)?.order ?? [-1, 0, 0];
  }

  addGap([epoch, offset]: Order = this.end()): void {
    const id = `gap:${epoch}:${offset}`;
    if (!this.#ids.has(id)) this.#put({ kind: 'gap', id, order: [epoch, offset, Infinity] });
  }

  #insert(content: Received, state: EntryState, mine: boolean): MessageEntry {
    const entry: MessageEntry = {
      ...content,
      kind: 'message',
      id: placeOf(content) ?? (content.messageId ? `sent:${content.messageId}` : `arrival:${this.#arrivals + 1}`),
      order: this.#orderOf(content, state),
      state,
      mine,
    };
    this.#put(entry);
    return entry;
  }

  #put(entry: Entry): void {
    this.#ids.set(entry.id, entry);
    // Nearly always the last place, so look from the end.
    const index = this.entries.findLastIndex((other) => compare(other.order, entry.order) <= 0);
    this.entries = this.entries.toSpliced(index + 1, 0, entry);
  }

  #drop(entry: MessageEntry): void {
    if (entry.messageId) this.#pending.delete(entry.messageId);
    this.#ids.delete(entry.id);
    this.entries = this.entries.filter((other) => other !== entry);
  }

  #orderOf({ epoch, offset, time }: Received, state: EntryState): Order {
    const arrival = ++this.#arrivals;
    if (state === 'pending') return [Infinity, 0, arrival];
    if (this.#byTime) return [0, time ? Date.parse(time) : Date.now(), arrival];
    // A message that is not logged stands where it arrived.
    if (!offset || !epoch) return [...(this.end().slice(0, 2) as [number, number]), arrival];
    if (!this.#epochs.includes(epoch)) this.#epochs.push(epoch);
    return [this.#epochs.indexOf(epoch), offset, 0];
  }
}

function placeOf({ epoch, offset }: { epoch?: string; offset?: number }): string | null {
  return epoch && offset ? `${epoch}:${offset}` : null;
}

function compare(a: Order, b: Order): number {
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return a[i]! < b[i]! ? -1 : 1;
  }
  return 0;
}
