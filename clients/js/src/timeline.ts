import type { Client, Direct, Room, RoomState, Sent, Unsubscribe } from './api.js';
import { Emitter } from './emitter.js';
import type { Destination, HistoryPage, HistoryQuery, Members, Message, SendOptions } from './messages.js';

const PAGE = 50;
const KEEP = 1_000;
// Pages of the inbox that are read at once to find messages of one user.
const INBOX_PAGES = 5;

export interface TimelineOptions {
  /** Messages that are loaded at the beginning, and by `loadOlder`; default 50. 0 loads none. */
  history?: number;
  /** Messages that are kept here besides those that `loadOlder` loads; default 1,000. Older ones can be loaded again. */
  keep?: number;
  /** Marks the conversation, for the codec. */
  encrypted?: boolean;
}

export interface TimelineState<T = unknown> {
  /** What is kept in the conversation's log, in its order and without holes. Refused ones have `refused`. */
  messages: readonly Message<T>[];
  /** What is not kept yet, failed ones included. */
  pending: readonly Sent[];
  canLoadOlder: boolean;
  /** History is being loaded. */
  loading: boolean;
  /** Why history could not be loaded, or the room not joined. */
  error: Error | undefined;
}

export interface RoomTimelineState<T = unknown> extends TimelineState<T> {
  state: RoomState;
  members: Members;
}

/** A conversation as a list to be shown, for whoever calls `start` as long as it is shown. The states are immutable, and new after each change. */
abstract class Timeline<T, State extends TimelineState<T>> {
  protected readonly client: Client;
  protected readonly page: number;
  readonly #keep: number;
  readonly #emitter: Emitter<{ change: () => void }>;
  #messages: readonly Message<T>[] = [];
  #pending: readonly Sent[] = [];
  #loadedOlder = 0;
  #canLoadOlder = false;
  #loading = false;
  #error: Error | undefined;
  #snapshot: State | undefined;
  /** What was loaded for a former start, or before a gap, is of no interest. */
  #generation = 0;

  constructor(client: Client, { history = PAGE, keep = KEEP }: TimelineOptions) {
    this.client = client;
    this.page = history;
    this.#keep = keep;
    this.#emitter = new Emitter((error) => console.error(error));
  }

  readonly subscribe = (listener: () => void): Unsubscribe => this.#emitter.on('change', listener);

  readonly getSnapshot = (): State =>
    (this.#snapshot ??= this.toState({
      messages: this.#messages, pending: this.#withoutReturned(), canLoadOlder: this.#canLoadOlder, loading: this.#loading, error: this.#error,
    }));

  /** Follows the conversation until the result is called. */
  readonly start = (): Unsubscribe => {
    const stops = [this.client.outbox.on('change', () => this.#outboxChanged()), ...this.follow()];
    this.#outboxChanged();
    return () => {
      this.#generation++;
      this.#loading = false;
      for (const stop of stops) stop();
    };
  };

  abstract send(data: unknown, options?: SendOptions): Sent;

  readonly loadOlder = async (): Promise<void> => {
    if (!this.#canLoadOlder || this.#loading) return;
    await this.#load(async () => {
      const before = this.#messages.length;
      const more = await this.readOlder();
      this.#loadedOlder += this.#messages.length - before;
      return more;
    });
  };

  protected abstract follow(): Unsubscribe[];

  protected abstract toState(state: TimelineState<T>): State;

  /** Adds the newest messages. Returns whether there are older ones. */
  protected abstract readNewest(): Promise<boolean>;

  protected abstract readOlder(): Promise<boolean>;

  protected abstract isHere(to: Destination): boolean;

  /** The place of a message among the others. */
  protected abstract compare(a: Message<T>, b: Message<T>): number;

  /** Of a message that was sent from here. */
  protected abstract ownMessage(sent: Sent): Message<T> | undefined;

  protected get messages(): readonly Message<T>[] {
    return this.#messages;
  }

  protected loadNewest(): void {
    if (this.page > 0) void this.#load(() => this.readNewest());
  }

  /** Messages are gone, or the log is another one: what is here is not without holes any more. */
  protected reset(): void {
    this.#generation++;
    this.#messages = [];
    this.#loadedOlder = 0;
    this.#canLoadOlder = false;
    this.#loading = false;
    this.changed();
    this.loadNewest();
  }

  protected add(added: Message<T>[]): void {
    const known = new Set(this.#messages.map(identity));
    const fresh = added.filter((message) => !known.has(identity(message)));
    if (fresh.length === 0) return;
    this.#messages = [...this.#messages, ...fresh].sort((a, b) => this.compare(a, b));
    this.changed();
  }

  /** One that has just come, for which the oldest makes room. */
  protected append(message: Message<T>): void {
    if (message.offset === undefined) return;
    this.add([message]);
    const most = this.#keep + this.#loadedOlder;
    if (this.#messages.length <= most) return;
    this.#messages = this.#messages.slice(-most);
    this.#canLoadOlder = true;
    this.changed();
  }

  protected replace(message: Message<T>): void {
    const id = identity(message);
    this.#messages = this.#messages.map((other) => (identity(other) === id ? message : other));
    this.changed();
  }

  protected fail(error: Error | undefined): void {
    this.#error = error;
    this.changed();
  }

  protected changed(): void {
    this.#snapshot = undefined;
    this.#emitter.emit('change');
  }

  async #load(read: () => Promise<boolean>): Promise<void> {
    const generation = this.#generation;
    this.#loading = true;
    this.changed();
    try {
      const more = await read();
      if (generation !== this.#generation) return;
      this.#canLoadOlder = more;
      this.#error = undefined;
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#error = error as Error;
    }
    this.#loading = false;
    this.changed();
  }

  /** Guards what is read asynchronously: undefined where nobody is interested any more. */
  protected async whileStarted<R>(promise: Promise<R>): Promise<R | undefined> {
    const generation = this.#generation;
    const result = await promise;
    return generation === this.#generation ? result : undefined;
  }

  /** What has come back while its acknowledgement had not is among the messages already. */
  #withoutReturned(): readonly Sent[] {
    if (this.#pending.length === 0) return this.#pending;
    const returned = new Set(this.#messages.filter(({ from }) => from === this.client.user).map(({ messageId }) => messageId));
    return this.#pending.filter(({ messageId }) => !returned.has(messageId));
  }

  #outboxChanged(): void {
    const pending = this.client.outbox.entries.filter(({ to }) => this.isHere(to));
    // One that was kept stays visible, whether it has come back already or not.
    const kept = this.#pending.filter((sent) => sent.state === 'kept' && !pending.includes(sent)).flatMap((sent) => this.ownMessage(sent) ?? []);
    this.#pending = pending;
    this.add(kept);
    this.changed();
  }
}

const identity = ({ epoch, offset, from, messageId }: Message): string => (offset === undefined || epoch === undefined ? `${from}/${messageId}` : `${epoch}:${offset}`);

/** A room as a list: history and what comes, in one order, joined as long as it is started. */
export class RoomTimeline<T = unknown> extends Timeline<T, RoomTimelineState<T>> {
  readonly room: Room<T>;
  /** History was loaded since the start, or is being loaded. */
  #loaded = false;

  constructor(client: Client, name: string, options: TimelineOptions = {}) {
    super(client, options);
    this.room = client.room<T>(name, options.encrypted === undefined ? {} : { encrypted: options.encrypted });
  }

  readonly send = (data: unknown, options?: SendOptions): Sent => this.room.send(data, options);

  protected follow(): Unsubscribe[] {
    const { room } = this;
    const stops = [
      room.on('message', (message) => this.append(message)),
      room.on('refused', ({ message, refusal }) => this.append({ ...message, data: null, refused: refusal } as Message<T>)),
      room.on('amended', (message) => this.replace(message)),
      room.on('reset', () => this.reset()),
      room.on('members', () => this.changed()),
      room.on('state', (state) => {
        if (state === 'joined' && !this.#loaded) this.#begin();
        else this.fail(room.error);
      }),
    ];
    if (room.joined) this.#begin();
    room.join().catch(() => {}); // The room's state tells.
    let following = true;
    return [...stops, () => {
      if (following) room.leave();
      following = false;
      this.#loaded = false;
    }];
  }

  protected toState(state: TimelineState<T>): RoomTimelineState<T> {
    return { ...state, state: this.room.state, members: this.room.members };
  }

  protected async readNewest(): Promise<boolean> {
    const page = await this.#read({ limit: this.page }).catch((error: unknown) => {
      // The next time the room is joined it is tried again.
      this.#loaded = false;
      throw error;
    });
    if (page) this.add(page.messages);
    return page?.more ?? false;
  }

  protected async readOlder(): Promise<boolean> {
    const oldest = this.messages[0]?.offset;
    if (oldest === undefined || oldest <= 1) return false;
    const page = await this.#read({ before: oldest, limit: Math.max(1, this.page) });
    if (page) this.add(page.messages);
    return page?.more ?? false;
  }

  protected isHere(to: Destination): boolean {
    return to.kind === 'room' && to.room === this.room.name;
  }

  protected compare(a: Message<T>, b: Message<T>): number {
    return a.offset! - b.offset!;
  }

  protected ownMessage(sent: Sent): Message<T> | undefined {
    return sent.ack?.offset ? messageOf<T>(this.client, sent, { room: this.room.name }) : undefined;
  }

  /** A new list, since the room may have been followed before and not in between. */
  #begin(): void {
    this.#loaded = true;
    this.reset();
  }

  #read(query: HistoryQuery): Promise<HistoryPage<T> | undefined> {
    return this.whileStarted(this.room.history(query));
  }
}

/** What one user and this one say to each other, as far as it is known here: the inbox holds what was received; what was sent, this timeline remembers itself. */
export class DirectTimeline<T = unknown> extends Timeline<T, TimelineState<T>> {
  readonly direct: Direct<T>;
  /** The oldest offset of the inbox that was read. */
  #oldest: number | undefined;

  constructor(client: Client, user: string, options: TimelineOptions = {}) {
    super(client, options);
    this.direct = client.direct<T>(user, options.encrypted === undefined ? {} : { encrypted: options.encrypted });
  }

  readonly send = (data: unknown, options?: SendOptions): Sent => this.direct.send(data, options);

  protected follow(): Unsubscribe[] {
    const { client, direct } = this;
    const mine = (message: Message): message is Message<T> => message.from === direct.user;
    const load = () => {
      if (client.state === 'connected' && this.#oldest === undefined) this.loadNewest();
    };
    load();
    return [
      direct.on('message', (message) => this.append(message)),
      client.on('refused', ({ message, refusal }) => {
        if (mine(message)) this.append({ ...message, data: null as T, refused: refusal });
      }),
      client.on('amended', (message) => {
        if (mine(message)) this.replace(message);
      }),
      client.on('state', load),
    ];
  }

  protected toState(state: TimelineState<T>): TimelineState<T> {
    return state;
  }

  protected readNewest(): Promise<boolean> {
    return this.#readInbox({ limit: this.page });
  }

  protected async readOlder(): Promise<boolean> {
    return this.#oldest === undefined || this.#oldest <= 1 ? false : this.#readInbox({ before: this.#oldest, limit: Math.max(1, this.page) });
  }

  protected isHere(to: Destination): boolean {
    return to.kind === 'direct' && to.user === this.direct.user;
  }

  /** Both directions have offsets of different logs, so their times count. */
  protected compare(a: Message<T>, b: Message<T>): number {
    return a.time < b.time ? -1 : a.time > b.time ? 1 : 0;
  }

  protected ownMessage(sent: Sent): Message<T> | undefined {
    return messageOf<T>(this.client, sent, {});
  }

  async #readInbox(query: HistoryQuery): Promise<boolean> {
    for (let pages = 0; pages < INBOX_PAGES; pages++) {
      const page = await this.whileStarted(this.client.inbox(query));
      if (!page) return false;
      const found = page.messages.filter((message) => message.from === this.direct.user) as Message<T>[];
      this.add(found);
      const oldest = page.messages[0]?.offset;
      if (oldest === undefined) return false;
      this.#oldest = oldest;
      if (!page.more || oldest <= 1) return false;
      if (found.length > 0) return true;
      query = { ...query, before: oldest };
    }
    return true;
  }
}

function messageOf<T>(client: Client, { ack, event, data, messageId }: Sent, channel: { room?: string }): Message<T> | undefined {
  if (!ack) return undefined;
  const { time, offset, epoch, cursor } = ack;
  return {
    ...channel, event, data: data as T, time, messageId,
    ...(client.user !== undefined && { from: client.user }),
    ...(offset !== undefined && { offset }),
    ...(epoch !== undefined && { epoch }),
    ...(cursor !== undefined && { cursor }),
  };
}
