import type {
  Ack, Client, ConnectOptions, Destination, HistoryPage, HistoryQuery, JoinOutcome, JoinResult, Message, OutgoingMessage, Presence, Session, Transport, TransportContext,
  TransportFactory,
} from '../../src/index.js';
import { connect } from '../../src/index.js';

export const EPOCH = 'epoch-of-the-tests';

export function tokenOf(user: string, secondsToLive = 3_600, claims: object = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ sub: user, exp: Math.floor(Date.now() / 1_000) + secondsToLive, ...claims })}.`;
}

export function messageOf(room: string, offset: number, changes: Partial<Message> = {}): Message {
  return { room, event: 'message', data: offset, from: 'bob', offset, epoch: EPOCH, cursor: `${EPOCH}:${offset}`, time: '2026-11-25T12:00:00.000Z', ...changes };
}

/** A server in memory: it keeps what is sent to rooms, and what each connection has asked for. */
export class FakeServer {
  readonly connections: FakeTransport[] = [];
  readonly logs = new Map<string, Message[]>();
  /** Called for each attempt; what it throws is why that fails. */
  onStart: (attempt: number) => void | Promise<void> = () => {};
  /** Called for each message that is to be kept. */
  onSend: (to: Destination, message: OutgoingMessage) => void | Promise<void> = () => {};
  onJoin: (room: string) => void | Promise<void> = () => {};
  presence: Presence['list'] = [];
  attempts = 0;
  readonly histories: HistoryQuery[] = [];
  readonly sent: { to: Destination; message: OutgoingMessage }[] = [];

  /** For what a client asks over REST before it connects: where its inbox and the notifications end. */
  readonly fetch: typeof fetch = async () => Response.json({ messages: [], cursor: `${EPOCH}:0`, more: false, recovered: true });

  readonly transport: TransportFactory = { name: 'fake', create: (context) => new FakeTransport(this, context) };

  get current(): FakeTransport {
    const connection = this.connections.at(-1);
    if (!connection) throw new Error('There is no connection.');
    return connection;
  }

  connect(options: Partial<ConnectOptions> = {}): Client {
    return connect({ url: 'http://server.test', token: tokenOf('ann'), transport: this.transport, fetch: this.fetch, ...options } as ConnectOptions);
  }

  log(room: string): Message[] {
    let log = this.logs.get(room);
    if (!log) this.logs.set(room, (log = []));
    return log;
  }

  /** Somebody publishes to a room: who is in it is told. */
  publish(room: string, data: unknown, changes: Partial<Message> = {}): Message {
    const log = this.log(room);
    const message = messageOf(room, log.length + 1, { data, ...changes });
    log.push(message);
    for (const connection of this.connections) {
      if (connection.up && connection.rooms.has(room)) connection.events.message(message);
    }
    return message;
  }
}

export class FakeTransport implements Transport {
  readonly #server: FakeServer;
  readonly events: TransportContext['events'];
  readonly rooms = new Set<string>();
  /** Each call of `join` and `leave`, and the rooms of the start. */
  readonly calls: string[] = [];
  session: Session | undefined;
  up = false;
  renewed: string[] = [];
  pings = 0;
  onPing: () => Promise<void> = async () => {};

  constructor(server: FakeServer, { events }: TransportContext) {
    this.#server = server;
    this.events = events;
  }

  async start(session: Session): Promise<Map<string, JoinOutcome>> {
    await this.#server.onStart(++this.#server.attempts);
    this.session = session;
    this.up = true;
    this.#server.connections.push(this);
    const outcomes = new Map<string, JoinOutcome>();
    for (const [room, cursor] of session.rooms) {
      outcomes.set(room, await this.join(room, cursor).catch((error: Error) => error));
    }
    return outcomes;
  }

  stop(): void {
    this.up = false;
  }

  /** The connection breaks. */
  break(error = new Error('broken')): void {
    this.up = false;
    this.events.closed(error);
  }

  async join(room: string, cursor: string | undefined): Promise<JoinResult> {
    this.calls.push(`join ${room}`);
    await this.#server.onJoin(room);
    this.rooms.add(room);
    const log = this.#server.log(room);
    if (cursor !== undefined) {
      for (const message of log.slice(Number(cursor.split(':')[1]))) this.events.message(message);
    }
    return { cursor: `${EPOCH}:${log.length}`, recovered: true };
  }

  async leave(room: string): Promise<void> {
    this.calls.push(`leave ${room}`);
    this.rooms.delete(room);
  }

  async renew(token: string): Promise<void> {
    this.renewed.push(token);
  }

  async send(to: Destination, message: OutgoingMessage): Promise<Ack> {
    this.#server.sent.push({ to, message });
    await this.#server.onSend(to, message);
    const time = '2026-11-25T12:00:00.000Z';
    if (to.kind !== 'room' || message.delivery === 'transient') return { time, messageId: message.messageId, duplicate: false };
    const { offset, cursor } = this.#server.publish(to.room, message.data, { event: message.event, from: this.session!.user, messageId: message.messageId });
    return { epoch: EPOCH, offset: offset!, cursor: cursor!, time, messageId: message.messageId, duplicate: false };
  }

  async history(room: string, query: HistoryQuery): Promise<HistoryPage> {
    this.#server.histories.push(query);
    const { before = Infinity, limit = 50 } = query;
    const log = this.#server.log(room).filter(({ offset }) => offset! < before);
    return { messages: log.slice(-limit), cursor: log.at(-1)?.cursor ?? `${EPOCH}:0`, more: log.length > limit, recovered: true };
  }

  async inbox(): Promise<HistoryPage> {
    return { messages: [], cursor: `${EPOCH}:0`, more: false, recovered: true };
  }

  async presence(room: string): Promise<Presence> {
    return { room, members: this.#server.presence.length, connections: this.#server.presence.length, list: this.#server.presence };
  }

  async ping(): Promise<void> {
    this.pings++;
    await this.onPing();
  }

  request = unsupported;
  requestUser = unsupported;
  startJob = unsupported;
  job = unsupported;
  cancelJob = unsupported;
  keys = unsupported;
  putKey = unsupported;
  removeKey = unsupported;
}

function unsupported(): Promise<never> {
  return Promise.reject(new Error('The fake server cannot do that.'));
}

/** Lets everything that waits for nothing but promises happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}
