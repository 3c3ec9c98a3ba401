import type { Client, ClientEvents, Direct, Room, RoomEvents, RoomState, Sent, SentState } from '../../src/api.js';
import { type Codec, type DecodeContext, isRefused } from '../../src/codec.js';
import { RealtimeError } from '../../src/errors.js';
import type { Ack, Message, PresenceChange, Refusal, SendOptions } from '../../src/messages.js';

// A server and its clients in one process, with as much of them as the encryption uses. What is delivered can be changed on its way.

type Handler = (argument: any) => void;

class Handlers {
  readonly #handlers = new Map<string, Set<Handler>>();

  on(event: string, handler: Handler): () => void {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers.add(handler));
    return () => void handlers.delete(handler);
  }

  emit(event: string, argument?: unknown): void {
    [...(this.#handlers.get(event) ?? [])].forEach((handler) => handler(argument));
  }
}

interface Channel {
  log: Message[];
  ids: Map<string, Message>;
}

export class FakeServer {
  readonly keys = new Map<string, string[]>();
  readonly channels = new Map<string, Channel>();
  readonly clients: FakeClient[] = [];
  /** What becomes of a message before it is delivered to a client: undefined holds it back. */
  relay: (message: Message, to: FakeClient) => Message | undefined = (message) => message;
  keysFail = 0;

  channel(name: string): Channel {
    const channel = this.channels.get(name) ?? { log: [], ids: new Map() };
    this.channels.set(name, channel);
    return channel;
  }

  members(room: string): string[] {
    return [...new Set(this.clients.filter((client) => client.joined.has(room)).map((client) => client.user))].sort();
  }

  connections(room: string): FakeClient[] {
    return this.clients.filter((client) => client.joined.has(room));
  }

  /** As anybody with a token might by REST. */
  publish(to: { room: string } | { user: string }, fields: Partial<Message> & { from: string }): Message {
    const name = 'room' in to ? `room:${to.room}` : `user:${to.user}`;
    const channel = this.channel(name);
    const { messageId, delivery } = fields;
    const before = messageId === undefined ? undefined : channel.ids.get(messageId);
    if (before) {
      return before;
    }
    const message: Message = {
      ...('room' in to && { room: to.room }), event: 'message', data: null, time: new Date(0).toISOString(), ...fields,
      ...(delivery ? {} : { epoch: 'epoch', offset: channel.log.length + 1, cursor: `epoch:${channel.log.length + 1}` }),
    };
    if (!delivery) {
      channel.log.push(message);
    }
    if (messageId !== undefined) {
      channel.ids.set(messageId, message);
    }
    this.deliver(to, message);
    return message;
  }

  deliver(to: { room: string } | { user: string }, message: Message): void {
    const clients = 'room' in to ? this.connections(to.room) : this.clients.filter((client) => client.user === to.user && client.state === 'connected');
    for (const client of clients) {
      const relayed = this.relay(structuredClone(message), client);
      if (relayed) {
        client.receive(relayed);
      }
    }
  }

  tellPresence(room: string, change: Partial<PresenceChange>): void {
    for (const client of this.connections(room)) {
      queueMicrotask(() => client.fakeRoom(room).handlers.emit('presence', { room, joined: [], left: [], members: this.members(room).length, ...change }));
    }
  }
}

class FakeRoom {
  readonly handlers = new Handlers();
  readonly messages: Message[] = [];
  readonly refused: Refusal[] = [];
  readonly amended: Message[] = [];
  encrypted = false;
  state: RoomState = 'left';

  constructor(
    readonly client: FakeClient,
    readonly name: string,
  ) {}

  get joined(): boolean {
    return this.state === 'joined';
  }

  async join(): Promise<void> {
    const { server } = this.client;
    const before = server.members(this.name);
    this.client.joined.add(this.name);
    this.setState('joined');
    if (!before.includes(this.client.user)) {
      server.tellPresence(this.name, { joined: [this.client.user] });
    }
  }

  leave(): void {
    this.setState('left');
    this.gone();
  }

  gone(): void {
    this.client.joined.delete(this.name);
    if (!this.client.server.members(this.name).includes(this.client.user)) {
      this.client.server.tellPresence(this.name, { left: [this.client.user] });
    }
  }

  setState(state: RoomState): void {
    this.state = state;
    this.handlers.emit('state', state);
  }

  on<E extends keyof RoomEvents>(event: E, handler: RoomEvents[E]) {
    return this.handlers.on(event, handler);
  }

  send(data: unknown, options: SendOptions = {}): Sent {
    return this.client.enqueue({ room: this.name }, data, options, this.encrypted);
  }

  async presence() {
    const list = this.client.server.members(this.name).map((user) => ({ user, connections: 1 }));
    await Promise.resolve();
    return { room: this.name, members: list.length, connections: list.length, list };
  }

  async history(): Promise<{ messages: Message[] }> {
    const messages: Message[] = [];
    for (const message of this.client.server.channel(`room:${this.name}`).log) {
      const relayed = this.client.server.relay(structuredClone(message), this.client);
      const decoded = relayed && (await this.client.decode(relayed, 'history'));
      if (decoded) {
        messages.push(decoded);
      }
    }
    return { messages };
  }
}

let ids = 0;

export class FakeClient {
  readonly handlers = new Handlers();
  readonly joined = new Set<string>();
  readonly direct_ = new Map<string, { encrypted: boolean }>();
  readonly rooms = new Map<string, FakeRoom>();
  readonly directs: Message[] = [];
  readonly refused: Refusal[] = [];
  readonly amended: Message[] = [];
  readonly entries: Sent[] = [];
  readonly #turns = new Map<string, Promise<unknown>>();
  state: Client['state'] = 'connecting';
  codec: Codec | undefined;
  /** What is sent gets lost, or its acknowledgement does. */
  loses: 'nothing' | 'messages' | 'acknowledgements' = 'nothing';
  inboxSeen = 0;

  readonly keys = {
    list: async (user = this.user) => {
      await Promise.resolve();
      if (this.server.keysFail > 0) {
        this.server.keysFail--;
        throw new RealtimeError('unavailable', 'Not now.');
      }
      return { user, keys: (this.server.keys.get(user) ?? []).map((key) => ({ key, announcedAt: '' })) };
    },
    put: async (key: string) => {
      await Promise.resolve();
      const keys = this.server.keys.get(this.user) ?? [];
      this.server.keys.set(this.user, [key, ...keys.filter((each) => each !== key)].slice(0, 10));
      return this.keys.list();
    },
  };

  constructor(
    readonly server: FakeServer,
    readonly user: string,
  ) {
    server.clients.push(this);
  }

  get outbox() {
    return { entries: this.entries };
  }

  /** For the encryption. */
  get asClient(): Client {
    return this as unknown as Client;
  }

  use(codec: Codec): void {
    this.codec = codec;
    codec.attach?.(this.asClient);
  }

  on<E extends keyof ClientEvents>(event: E, handler: ClientEvents[E]) {
    return this.handlers.on(event, handler);
  }

  async connected(): Promise<void> {}

  setState(state: Client['state']): void {
    this.state = state;
    this.handlers.emit('state', state);
  }

  connect(): void {
    this.setState('connected');
    const { log } = this.server.channel(`user:${this.user}`);
    for (const message of log.slice(this.inboxSeen)) {
      this.receive(structuredClone(message));
    }
    for (const room of this.rooms.values()) {
      if (room.state === 'joining') {
        void room.join();
      }
    }
    this.entries.filter((sent) => sent.state === 'queued').forEach((sent) => (sent as any).transmit());
  }

  disconnect(): void {
    this.setState('reconnecting');
    for (const room of this.rooms.values()) {
      if (room.joined) {
        room.setState('joining');
        room.gone();
      }
    }
  }

  fakeRoom(name: string): FakeRoom {
    const room = this.rooms.get(name) ?? new FakeRoom(this, name);
    this.rooms.set(name, room);
    return room;
  }

  room(name: string, options?: { encrypted?: boolean }): Room {
    const room = this.fakeRoom(name);
    room.encrypted ||= options?.encrypted ?? false;
    return room as unknown as Room;
  }

  direct(user: string, options?: { encrypted?: boolean }): Direct {
    const direct = this.direct_.get(user) ?? { encrypted: false };
    this.direct_.set(user, direct);
    direct.encrypted ||= options?.encrypted ?? false;
    return {
      send: (data: unknown, sendOptions: SendOptions = {}) => this.enqueue({ user }, data, sendOptions, direct.encrypted),
    } as unknown as Direct;
  }

  amend(message: Message): void {
    (message.room === undefined ? this.amended : this.fakeRoom(message.room).amended).push(message);
  }

  // ---- Sending -----------------------------------------------------------------------------------------------------------------------

  enqueue(to: { room: string } | { user: string }, data: unknown, options: SendOptions, encrypted: boolean): Sent {
    const { event = 'message', messageId = `${this.user}-${++ids}`, delivery = 'durable', key, plain } = options;
    const handlers = new Handlers();
    let resolve!: (ack: Ack) => void;
    let reject!: (error: unknown) => void;
    let kept = new Promise<Ack>((...both) => ([resolve, reject] = both));
    kept.catch(() => undefined);
    const sent = {
      messageId, event, data, state: 'queued' as SentState,
      get kept() {
        return kept;
      },
      on: (name: string, handler: Handler) => handlers.on(name, handler),
      discard: () => set('discarded', new RealtimeError('discarded', 'Discarded.')),
      retry: () => {
        kept = new Promise<Ack>((...both) => ([resolve, reject] = both));
        kept.catch(() => undefined);
        sent.state = 'queued';
        this.entries.push(sent as unknown as Sent);
        transmit();
      },
      transmit: () => transmit(),
    };
    const set = (state: SentState, error?: unknown) => {
      sent.state = state;
      handlers.emit('state', state);
      if (error) {
        reject(error);
      }
      if (['kept', 'failed', 'discarded'].includes(state)) {
        this.entries.splice(this.entries.indexOf(sent as unknown as Sent), 1);
      }
    };
    this.entries.push(sent as unknown as Sent);
    const transmit = () => void this.#inTurn(delivery === 'transient' ? messageId : JSON.stringify(to), async () => {
      if (this.state !== 'connected' || sent.state === 'discarded') {
        return;
      }
      set('sending');
      const context = { from: this.user, event, messageId, delivery, ...(key !== undefined && { key }), encrypted,
        ...('room' in to ? { kind: 'room' as const, room: to.room } : { kind: 'direct' as const, user: to.user }) };
      try {
        const encoded = plain || !this.codec ? data : await this.codec.encode(context, data);
        if (this.loses === 'messages') {
          return set('queued');
        }
        const { epoch, offset } = this.server.publish(to, {
          from: this.user, event, messageId, ...(delivery !== 'durable' && { delivery }), ...(key !== undefined && { key }), data: JSON.parse(JSON.stringify(encoded)),
        });
        if (this.loses === 'acknowledgements') {
          return set('queued');
        }
        set('kept');
        resolve({ epoch: epoch!, offset: offset!, time: '', duplicate: false });
      } catch (error) {
        if (error instanceof RealtimeError && error.permanent) {
          set('failed', error);
        } else {
          set('queued');
        }
      }
    });
    transmit();
    return sent as unknown as Sent;
  }

  // ---- Receiving ---------------------------------------------------------------------------------------------------------------------

  receive(message: Message): void {
    if (message.room === undefined) {
      this.inboxSeen = Math.max(this.inboxSeen, message.offset ?? 0);
    }
    if (this.codec?.intercept?.(message, this.#context(message, 'live'))) {
      return;
    }
    const room = message.room === undefined ? undefined : this.fakeRoom(message.room);
    void this.#inTurn(`decode ${message.room ?? ''}`, async () => {
      const decoded = await this.decode(message, 'live');
      if (decoded?.refused) {
        (room ?? this).refused.push(decoded.refused);
      } else if (decoded) {
        (room ? room.messages : this.directs).push(decoded);
      }
    });
  }

  async decode(message: Message, source: 'live' | 'history'): Promise<Message | undefined> {
    const decoded: any = this.codec ? await this.codec.decode(message, this.#context(message, source)) : message;
    return decoded && isRefused(decoded) ? { ...message, data: null, refused: (decoded as any).refused } : decoded;
  }

  #context(message: Message, source: 'live' | 'history'): DecodeContext {
    const encrypted = message.room === undefined ? (this.direct_.get(message.from ?? '')?.encrypted ?? false) : this.fakeRoom(message.room).encrypted;
    return { to: this.user, source, encrypted, ...(message.room === undefined ? { kind: 'direct' as const } : { kind: 'room' as const, room: message.room }) };
  }

  #inTurn(name: string, action: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(action);
    this.#turns.set(name, turn.catch(() => undefined));
    return turn;
  }
}
