import type { Room, RoomEvents, RoomOptions, RoomState, Sent, Unsubscribe } from './api.js';
import { Channel } from './channel.js';
import { Deferred } from './deferred.js';
import { Emitter } from './emitter.js';
import { isPermanent, RealtimeError } from './errors.js';
import { iterate } from './iterate.js';
import { MemberList } from './members.js';
import type { Gap, HistoryPage, HistoryQuery, Members, Message, Presence, PresenceChange, RefusedMessage, SendOptions } from './messages.js';
import type { JoinOutcome, Transport } from './transports/transport.js';

// Milliseconds before a room that could not be joined for now is tried again: doubled each time, up to the longest.
const FIRST_RETRY = 1_000;
const LONGEST_RETRY = 30_000;

export interface RoomHooks {
  /** Undefined while not connected. */
  transport(): Transport | undefined;
  /** Why there will be no connection. */
  failure(): Error | undefined;
  intercept(room: RealtimeRoom, message: Message): boolean;
  decode(room: RealtimeRoom, message: Message): Promise<() => void> | undefined;
  send(room: RealtimeRoom, data: unknown, options: SendOptions): Sent;
  history(room: RealtimeRoom, query: HistoryQuery): Promise<HistoryPage>;
  presence(room: RealtimeRoom): Promise<Presence>;
  /** The room's messages can be sent. */
  joined(room: RealtimeRoom): void;
  gap(gap: Gap): void;
  moved(): void;
  report(error: unknown): void;
}

/** A room: whether this client wants to be in it, whether it is, and what it brings. */
export class RealtimeRoom implements Room {
  readonly name: string;
  readonly channel: Channel;
  readonly #hooks: RoomHooks;
  readonly #emitter: Emitter<RoomEvents>;
  readonly #members: MemberList;
  #encrypted = false;
  #wanted = 0;
  #state: RoomState = 'left';
  #error: RealtimeError | undefined;
  /** Joining or leaving is under way, or about to be. */
  #busy = false;
  #failures = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #waiting: Deferred<void> | undefined;

  constructor(name: string, hooks: RoomHooks) {
    this.name = name;
    this.#hooks = hooks;
    this.#emitter = new Emitter(hooks.report);
    this.channel = new Channel({ room: name }, {
      intercept: (message) => hooks.intercept(this, message),
      decode: (message) => hooks.decode(this, message),
      deliver: (message) => this.delivered(message),
      gap: (gap) => {
        hooks.gap(gap);
        this.#emitter.emit('gap', gap);
        this.#emitter.emit('reset');
      },
      moved: hooks.moved,
    });
    this.#members = new MemberList(() => this.#emitter.emit('members', this.#members.current));
  }

  get encrypted(): boolean {
    return this.#encrypted;
  }

  get state(): RoomState {
    return this.#state;
  }

  get joined(): boolean {
    return this.#state === 'joined';
  }

  get error(): RealtimeError | undefined {
    return this.#error;
  }

  get cursor(): string | undefined {
    return this.channel.delivered;
  }

  get members(): Members {
    this.#trackMembers();
    return this.#members.current;
  }

  /** Whether it is joined, or about to be. */
  get wanted(): boolean {
    return this.#wanted > 0;
  }

  configure({ encrypted }: RoomOptions): this {
    this.#encrypted ||= encrypted ?? false;
    return this;
  }

  join(): Promise<void> {
    this.#wanted++;
    if (this.#state === 'joined') return Promise.resolve();
    if (this.#state !== 'joining') this.#set('joining');
    this.#waiting ??= new Deferred();
    const { promise } = this.#waiting;
    const failure = this.#hooks.failure();
    if (failure) this.abandon(failure);
    void this.#reconcile();
    return promise;
  }

  leave(): void {
    if (this.#wanted === 0 || --this.#wanted > 0) return;
    this.#waiting?.reject(new RealtimeError('discarded', `The room '${this.name}' was left before it was joined.`));
    this.#waiting = undefined;
    if (this.#state === 'failed' || !this.#hooks.transport()) this.#left();
    void this.#reconcile();
  }

  on<E extends keyof RoomEvents>(event: E, handler: RoomEvents[E]): Unsubscribe {
    if (event === 'members') this.#trackMembers();
    return this.#emitter.on(event, handler);
  }

  messages({ signal }: { signal?: AbortSignal } = {}): AsyncIterableIterator<Message> {
    return iterate(this, signal);
  }

  send(data: unknown, options: SendOptions = {}): Sent {
    return this.#hooks.send(this, data, options);
  }

  history(query: HistoryQuery = {}): Promise<HistoryPage> {
    return this.#hooks.history(this, query);
  }

  presence(): Promise<Presence> {
    return this.#hooks.presence(this);
  }

  // What the client tells the room

  /** A new connection is up, for which the room had this outcome; none where it was not wanted when that began. */
  started(outcome: JoinOutcome | undefined): void {
    this.#failures = 0;
    if (outcome instanceof Error) this.#refused(outcome);
    else if (outcome) this.#entered(outcome);
    void this.#reconcile();
  }

  connectionLost(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#members.stale();
    if (this.#wanted === 0) this.#left();
    else if (this.#state === 'joined') this.#set('joining');
  }

  /** The client is closed, or its connection has failed: nobody joins any more. */
  abandon(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  close(error: Error): void {
    this.#wanted = 0;
    this.abandon(error);
    this.#set('left');
    this.#emitter.clear();
  }

  gap(gap: Gap): void {
    this.channel.gap(gap);
  }

  delivered(message: Message): void {
    this.#emitter.emit('message', message);
  }

  refused(refused: RefusedMessage): void {
    this.#emitter.emit('refused', refused);
  }

  amended(message: Message): void {
    this.#emitter.emit('amended', message);
  }

  presenceChanged(change: PresenceChange): void {
    if (this.#wanted === 0) return;
    this.#members.apply(change);
    this.#emitter.emit('presence', change);
  }

  /** Makes what is so what is wanted. Calls of one moment are one: leaving and joining again is nothing. */
  async #reconcile(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    await Promise.resolve();
    for (let transport; (transport = this.#hooks.transport()); ) {
      if (this.#wanted > 0 && this.#state === 'joining' && this.#retryTimer === undefined) await this.#enter(transport);
      else if (this.#wanted === 0 && this.#state !== 'left') await this.#exit(transport);
      else break;
    }
    this.#busy = false;
  }

  async #enter(transport: Transport): Promise<void> {
    try {
      const result = await transport.join(this.name, this.channel.received);
      if (transport === this.#hooks.transport()) this.#entered(result);
    } catch (error) {
      // A lost connection is none of the room's matters: the next one joins it.
      if (transport === this.#hooks.transport()) this.#refused(error as Error);
    }
  }

  async #exit(transport: Transport): Promise<void> {
    const joined = this.#state === 'joined';
    this.#left();
    // Should that fail, the connection is lost too, and the next one does not join the room.
    if (joined) await transport.leave(this.name).catch(() => {});
  }

  #entered({ cursor, recovered }: { cursor: string; recovered: boolean }): void {
    if (!recovered && this.channel.received !== undefined) this.channel.gap({ room: this.name, reason: 'not_recovered', cursor });
    this.channel.begin(cursor);
    this.#failures = 0;
    this.#error = undefined;
    this.#set('joined');
    if (this.#wanted === 0) return;
    this.#waiting?.resolve();
    this.#waiting = undefined;
    this.#loadMembers();
    this.#hooks.joined(this);
  }

  #refused(error: Error): void {
    if (error instanceof RealtimeError && error.code === 'invalid_cursor' && this.channel.received !== undefined) {
      // Of a log that is not there any more, or damaged in the storage.
      this.channel.forget();
      this.channel.gap({ room: this.name, reason: 'not_recovered' });
      this.#set('joining');
      return;
    }
    if (!isPermanent(error)) {
      this.#set('joining');
      this.#retryTimer = setTimeout(() => {
        this.#retryTimer = undefined;
        void this.#reconcile();
      }, Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** this.#failures++));
      return;
    }
    this.#error = error as RealtimeError;
    this.#set('failed');
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    this.#emitter.emit('error', error as RealtimeError);
  }

  #left(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#error = undefined;
    this.channel.forget();
    this.#members.clear();
    this.#set('left');
    this.#hooks.moved();
  }

  #trackMembers(): void {
    if (!this.#members.track() || this.#state !== 'joined') return;
    this.#loadMembers();
  }

  #loadMembers(): void {
    if (!this.#members.tracked) return;
    this.#members.load(() => this.presence()).catch((error: unknown) => {
      // Where the connection is lost, the next one loads them.
      if (isPermanent(error)) this.#hooks.report(error);
    });
  }

  #set(state: RoomState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#emitter.emit('state', state);
  }
}
