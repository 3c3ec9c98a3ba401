import type {
  Client, ClientEvents, ConnectionInfo, ConnectionState, ConnectOptions, Direct, KeyDirectory, Publication, RequestHandler, Room, RoomOptions, Sent, StorageLike,
  Subscription, Unsubscribe,
} from './api.js';
import { catchUp } from './catchUp.js';
import { Channel } from './channel.js';
import type { Codec, DecodeContext } from './codec.js';
import { Coding } from './coding.js';
import { Connection } from './connection.js';
import { INBOX, NOTIFICATIONS, roomChannel } from './cursor.js';
import { DirectConversation } from './direct.js';
import { Emitter } from './emitter.js';
import { RealtimeError } from './errors.js';
import { factoriesOf } from './factories.js';
import { newId } from './ids.js';
import { JobClient } from './jobs.js';
import type { Ack, Destination, Gap, HistoryPage, HistoryQuery, Message, SendOptions } from './messages.js';
import { MessageOutbox } from './outbox.js';
import { subscribe } from './pubsub.js';
import { Requests } from './requests.js';
import { Rest } from './rest.js';
import { RealtimeRoom } from './room.js';
import type { Entry } from './sent.js';
import { Memory, type Saved } from './storage.js';
import { Tokens } from './tokens.js';
import { checkTopic, roomOf } from './topics.js';
import type { JoinOutcome, Operations, Transport } from './transports/transport.js';

const REQUEST_TIMEOUT = 10_000;
const CONNECT_TIMEOUT = 15_000;

/** Connects, and stays connected until `close`. */
export function connect(options: ConnectOptions): Client {
  return new RealtimeClient(options);
}

class RealtimeClient implements Client {
  readonly outbox: MessageOutbox;
  readonly jobs: JobClient;
  readonly keys: KeyDirectory;
  readonly storage: StorageLike | undefined;
  readonly #options: ConnectOptions;
  readonly #emitter = new Emitter<ClientEvents>((error) => this.#report(error));
  readonly #tokens: Tokens;
  readonly #rest: Rest;
  readonly #connection: Connection;
  readonly #requests = new Requests((error) => this.#report(error));
  readonly #rooms = new Map<string, RealtimeRoom>();
  readonly #directs = new Map<string, DirectConversation>();
  readonly #inbox: Channel;
  readonly #notifications: Channel;
  readonly #coding = new Coding();
  readonly #requestTimeout: number;
  /** Once it is known whose it is. */
  #memory: Memory | undefined;
  /** Cursors of a former page load, for rooms that are not joined yet. */
  #restored: Record<string, string> = {};
  /** So much was missed that a connection is ended for not reading it fast enough. */
  #behind = false;
  #latency: number | undefined;

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.storage = options.storage;
    this.#requestTimeout = options.requestTimeout ?? REQUEST_TIMEOUT;
    this.#tokens = new Tokens(options);
    const fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    const url = (options.url ?? globalThis.location?.origin ?? '').replace(/\/+$/, '');
    if (!url) throw new TypeError('connect() needs the url of the gateway.');
    this.#rest = new Rest({ url, tokens: this.#tokens, fetch, timeout: this.#requestTimeout, connected: () => this.state === 'connected' });
    const moved = () => this.#memory?.changed();
    const gap = (event: Gap) => this.#emitter.emit('gap', event);
    this.#inbox = new Channel({}, {
      intercept: (message) => this.#coding.intercept(message, () => this.#contextOfDirect(message, 'live')),
      decode: (message) => this.#coding.live(message, this.#contextOfDirect(message, 'live'), {
        accept: (decoded) => this.#direct(decoded),
        refuse: (refusal) => this.#emitter.emit('refused', { message, refusal }),
      }),
      deliver: (message) => this.#direct(message), gap, moved,
    });
    this.#notifications = new Channel({ namespace: '/' }, {
      intercept: () => false, decode: () => undefined, deliver: (message) => this.#emitter.emit('notification', message), gap, moved,
    });
    this.outbox = new MessageOutbox({
      deliver: (entry) => this.#deliver(entry),
      ready: (to) => this.#ready(to),
      changed: () => this.#memory?.changedForGood(),
      report: (error) => this.#report(error),
    }, options.outboxLimit);
    this.jobs = new JobClient({ room: (name) => this.room(name), operations: () => this.#operations() });
    this.keys = {
      list: async (user) => (await this.#operations()).keys(user ?? this.user!),
      put: async (key) => (await this.#operations()).putKey(key),
      remove: async (key) => (await this.#operations()).removeKey(key),
    };
    this.#connection = new Connection({
      factories: factoriesOf(options.transport),
      context: {
        url, fetch,
        rest: this.#rest,
        requestTimeout: this.#requestTimeout,
        connectTimeout: options.connectTimeout ?? CONNECT_TIMEOUT,
        webSocket: options.webSocket,
      },
      tokens: this.#tokens,
      backoff: options.backoff,
      events: {
        message: (message) => this.#message(message),
        direct: (message) => this.#inbox.receive(message),
        notification: (message) => this.#notification(message),
        presence: (change) => this.#rooms.get(change.room)?.presenceChanged(change),
        gap: (event) => this.#gap(event),
        inboxPositioned: (cursor) => this.#inbox.begin(cursor),
        event: (event) => this.#emitter.emit('event', event),
        requested: (request) => void this.#requests.receive(request),
      },
      hooks: {
        session: () => this.#session(),
        started: (outcomes) => this.#started(outcomes),
        lost: () => {
          for (const room of this.#rooms.values()) room.connectionLost();
        },
        changed: (stateChanged) => this.#stateChanged(stateChanged),
        closing: (closing) => {
          this.#behind ||= closing.reason === 'slow_consumer';
          this.#emitter.emit('closing', closing);
        },
      },
    });
    this.#connection.open();
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  get user(): string | undefined {
    return this.#tokens.user;
  }

  get info(): ConnectionInfo {
    const { state, transportName, attempt, retryAt, error, reconnects, connectedAt } = this.#connection;
    return {
      state, transport: transportName, attempt, reconnects,
      cursors: this.#cursors((channel) => channel.received),
      ...(retryAt !== undefined && { retryAt }),
      ...(error && { error }),
      ...(this.#latency !== undefined && { latency: this.#latency }),
      ...(connectedAt && { connectedAt }),
    };
  }

  on<E extends keyof ClientEvents>(event: E, handler: ClientEvents[E]): Unsubscribe {
    return this.#emitter.on(event, handler);
  }

  connected(): Promise<void> {
    return this.#connection.connected();
  }

  reconnect(): void {
    this.#connection.open();
  }

  close(): void {
    if (this.state === 'closed') return;
    this.#memory?.close();
    this.#memory = undefined;
    this.#connection.close();
    this.outbox.close();
    const error = new RealtimeError('closed', 'The client is closed.');
    for (const room of this.#rooms.values()) room.close(error);
    this.#coding.close();
    this.#emitter.clear();
  }

  async ping(): Promise<number> {
    const transport = await this.#transport();
    const begin = performance.now();
    await transport.ping();
    this.#latency = performance.now() - begin;
    this.#emitter.emit('info', this.info);
    return this.#latency;
  }

  use(codec: Codec): void {
    this.#coding.use(codec, this);
  }

  amend(message: Message): void {
    if (message.room === undefined) this.#emitter.emit('amended', message);
    else this.#rooms.get(message.room)?.amended(message);
  }

  room<T>(name: string, options: RoomOptions = {}): Room<T> {
    return this.#room(name).configure(options) as Room as Room<T>;
  }

  direct<T>(user: string, options: RoomOptions = {}): Direct<T> {
    return this.#conversation(user).configure(options) as Direct as Direct<T>;
  }

  async inbox(query: HistoryQuery = {}): Promise<HistoryPage> {
    const page = await (await this.#operations()).inbox(query);
    return { ...page, messages: await this.#coding.page(page.messages, (message) => this.#contextOfDirect(message, 'history')) };
  }

  notify(data: unknown, { namespace = '/', ...options }: SendOptions & { namespace?: string } = {}): Sent {
    return this.#send({ kind: 'namespace', namespace }, data, options);
  }

  async request<T>(event: string, data?: unknown, { namespace, timeout = this.#requestTimeout }: { namespace?: string; timeout?: number } = {}): Promise<T> {
    return (await (await this.#operations()).request(event, data, namespace, timeout)) as T;
  }

  async requestUser<T>(user: string, event: string, data?: unknown, { timeout = this.#requestTimeout }: { timeout?: number } = {}): Promise<T> {
    return (await (await this.#operations()).requestUser(user, event, data, timeout)) as T;
  }

  onRequest<T>(event: string, handler: RequestHandler<T>): Unsubscribe {
    return this.#requests.on(event, handler as RequestHandler);
  }

  subscribe<T>(pattern: string, handler: (data: T, publication: Publication<T>) => void): Subscription {
    return subscribe((name) => this.room(name), pattern, handler);
  }

  async publish(topic: string, data: unknown, { messageId }: { messageId?: string } = {}): Promise<Ack> {
    checkTopic(topic);
    return this.#send({ kind: 'room', room: roomOf(topic) }, data, { event: topic, ...(messageId !== undefined && { messageId }) }).kept;
  }

  // Conversations

  #room(name: string): RealtimeRoom {
    let room = this.#rooms.get(name);
    if (!room) {
      room = new RealtimeRoom(name, {
        transport: () => this.#connection.transport,
        failure: () => (this.state === 'failed' || this.state === 'closed' ? this.#connection.error : undefined),
        intercept: (own, message) => this.#coding.intercept(message, () => this.#contextOfRoom(own, 'live')),
        decode: (own, message) => this.#coding.live(message, this.#contextOfRoom(own, 'live'), {
          accept: (decoded) => own.delivered(decoded),
          refuse: (refusal) => own.refused({ message, refusal }),
        }),
        send: (own, data, sendOptions) => this.#send({ kind: 'room', room: own.name }, data, sendOptions),
        history: (own, query) => this.#history(own, query),
        presence: async (own) => (await this.#operations()).presence(own.name),
        joined: () => this.outbox.drain(),
        gap: (event) => this.#emitter.emit('gap', event),
        moved: () => this.#memory?.changed(),
        report: (error) => this.#report(error),
      });
      this.#rooms.set(name, room);
      this.#restoreCursor(roomChannel(name), room.channel);
    }
    return room;
  }

  #conversation(user: string): DirectConversation {
    let direct = this.#directs.get(user);
    if (!direct) {
      direct = new DirectConversation(user, {
        send: (data, sendOptions) => this.#send({ kind: 'direct', user }, data, sendOptions),
        report: (error) => this.#report(error),
      });
      this.#directs.set(user, direct);
    }
    return direct;
  }

  // Connection

  #transport(): Promise<Transport> {
    return this.#connection.whenConnected(this.#requestTimeout);
  }

  /** The transport, where it is connected within the time of a request. */
  #operations(): Promise<Operations> {
    return this.#transport();
  }

  async #session() {
    this.#identified();
    let inboxEnd = this.#inbox.received;
    if (inboxEnd === undefined || this.#notifications.received === undefined) {
      // Where they end now, a client that has received none of them resumes, should the connection be lost before any comes.
      const [inbox, notifications] = await Promise.all([this.#rest.inbox({ limit: 1 }), this.#rest.notifications({ limit: 1 })]);
      inboxEnd = inbox.cursor!;
      if (this.#notifications.received === undefined) this.#notifications.begin(notifications.cursor!);
    }
    const wanted = [...this.#rooms.values()].filter((room) => room.wanted);
    if (this.#behind) await this.#catchUp(wanted);
    return {
      rooms: new Map(wanted.map((room) => [room.name, room.channel.received] as const)),
      inbox: this.#inbox.received,
      inboxEnd,
      notifications: this.#notifications.received!,
    };
  }

  async #catchUp(rooms: RealtimeRoom[]): Promise<void> {
    await Promise.all([
      catchUp(this.#inbox, (query) => this.#rest.inbox(query), (message) => this.#inbox.receive(message)),
      catchUp(this.#notifications, (query) => this.#rest.notifications(query), (message) => this.#notification(message)),
      ...rooms.map((room) => catchUp(room.channel, (query) => this.#rest.history(room.name, query), (message) => this.#message(message))),
    ]);
    this.#behind = false;
  }

  #started(outcomes: Map<string, JoinOutcome>): void {
    for (const room of this.#rooms.values()) room.started(outcomes.get(room.name));
  }

  #stateChanged(changed: boolean): void {
    if (changed) {
      const { state, error } = this.#connection;
      if (state === 'failed') {
        for (const room of this.#rooms.values()) room.abandon(error!);
      }
      this.#emitter.emit('state', state);
      if (state === 'connected') this.outbox.drain();
    }
    this.#emitter.emit('info', this.info);
  }

  /** There is a token, so it is known whose storage to use. */
  #identified(): void {
    if (this.#memory) return;
    this.#memory = new Memory({
      storage: this.storage,
      key: `${this.#options.storageKey ?? 'orleans-realtime'}:${this.user}`,
      state: () => this.#toSave(),
      report: (error) => this.#report(error),
    });
    const { cursors, outbox } = this.#memory.load();
    this.#restored = cursors;
    this.#restoreCursor(INBOX, this.#inbox);
    this.#restoreCursor(NOTIFICATIONS, this.#notifications);
    for (const room of this.#rooms.values()) this.#restoreCursor(roomChannel(room.name), room.channel);
    this.outbox.restore(outbox);
  }

  #restoreCursor(name: string, channel: Channel): void {
    const cursor = this.#restored[name];
    delete this.#restored[name];
    if (cursor !== undefined && channel.received === undefined) channel.begin(cursor);
  }

  #toSave(): Saved {
    return { cursors: { ...this.#restored, ...this.#cursors((channel) => channel.delivered) }, outbox: this.outbox.saved() };
  }

  #cursors(of: (channel: Channel) => string | undefined): Record<string, string> {
    const channels: [string, Channel][] = [[INBOX, this.#inbox], [NOTIFICATIONS, this.#notifications]];
    for (const room of this.#rooms.values()) channels.push([roomChannel(room.name), room.channel]);
    return Object.fromEntries(channels.flatMap(([name, channel]) => {
      const cursor = of(channel);
      return cursor === undefined ? [] : [[name, cursor]];
    }));
  }

  /** For what nobody waits for. */
  #report(error: unknown): void {
    if (this.#emitter.has('error')) this.#emitter.emit('error', error instanceof Error ? error : new Error(String(error)));
    else console.error(error);
  }

  // What arrives

  #message(message: Message): void {
    const room = this.#rooms.get(message.room!);
    if (!room?.wanted) return;
    if (message.messageId !== undefined && message.from === this.user) this.outbox.seen(message);
    room.channel.receive(message);
  }

  #direct(message: Message): void {
    this.#emitter.emit('direct', message);
    if (message.from !== undefined) this.#directs.get(message.from)?.received(message);
  }

  #notification(message: Message): void {
    // Those of other namespaces are followed by nobody: they have places in a log that is not this one.
    if ((message.namespace ?? '/') === '/') this.#notifications.receive(message);
    else this.#emitter.emit('notification', message);
  }

  #gap(gap: Gap): void {
    if (gap.room !== undefined) this.#rooms.get(gap.room)?.gap(gap);
    else (gap.namespace === undefined ? this.#inbox : this.#notifications).gap(gap);
  }

  // Codec

  #contextOfDirect(message: Message, source: DecodeContext['source']): DecodeContext {
    const encrypted = message.from !== undefined && (this.#directs.get(message.from)?.encrypted ?? false);
    return { kind: 'direct', to: this.user!, source, encrypted };
  }

  #contextOfRoom({ name, encrypted }: RealtimeRoom, source: DecodeContext['source']): DecodeContext {
    return { kind: 'room', room: name, to: this.user!, source, encrypted };
  }

  async #history(room: RealtimeRoom, query: HistoryQuery): Promise<HistoryPage> {
    const page = await (await this.#operations()).history(room.name, query);
    return { ...page, messages: await this.#coding.page(page.messages, () => this.#contextOfRoom(room, 'history')) };
  }

  // Sending

  #send(to: Destination, data: unknown, { event = 'message', messageId = newId(), delivery = 'durable', key, plain = false }: SendOptions): Sent {
    return this.outbox.add({ messageId, to, event, data, delivery, key, plain, queuedAt: new Date() });
  }

  #ready(to: Destination): boolean {
    if (this.state !== 'connected') return false;
    const room = to.kind === 'room' ? this.#rooms.get(to.room) : undefined;
    // A room that is being joined brings what was kept already, so nothing is sent twice.
    return room?.state !== 'joining';
  }

  async #deliver({ draft: { to, event, data, messageId, delivery, key, plain } }: Entry): Promise<Ack> {
    let encoded = data;
    if (!plain && to.kind !== 'namespace') {
      const encrypted = (to.kind === 'room' ? this.#rooms.get(to.room)?.encrypted : this.#directs.get(to.user)?.encrypted) ?? false;
      encoded = await this.#coding.encode({ ...to, from: this.user!, event, messageId, delivery, encrypted, ...(key !== undefined && { key }) }, data);
    }
    const transport = this.#connection.transport;
    if (!transport) throw new RealtimeError('not_connected', 'There is no connection.');
    const message = { event, data: encoded, messageId, ...(delivery !== 'durable' && { delivery }), ...(key !== undefined && { key }) };
    // Two-way transports send to rooms that they are in; REST to any.
    const operations = to.kind === 'room' && !this.#rooms.get(to.room)?.joined ? this.#rest : transport;
    return operations.send(to, message);
  }
}
