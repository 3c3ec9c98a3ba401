import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import type { Job, StartedJob } from '../api.js';
import { fromWire } from '../binary.js';
import { parseCursor } from '../cursor.js';
import { RealtimeError } from '../errors.js';
import type { Ack, Closing, Destination, Gap, HistoryPage, HistoryQuery, Message, Presence, UserKeys } from '../messages.js';
import type { JobOptions, JoinOutcome, JoinResult, OutgoingMessage, Session, Transport, TransportContext, TransportFactory } from './transport.js';

const PAGE = 500;

/** The last argument of an event: the place in all that this connection gets. */
const OFFSET = /^[\w-]+:\d+(:[^,]*)?(,[\w-]+:\d+(:[^,]*)?)*$/;

/** Names of requests that mean something else when they are sent as events of that name. */
const BUILT_IN = new Set([
  'join:room', 'leave:room', 'message', 'direct:message', 'notification', 'room:update', 'binary', 'history', 'inbox', 'presence', 'authenticate', 'request',
  'user:request', 'job', 'job:start', 'job:cancel', 'keys', 'key:put', 'key:remove',
]);

type Arguments = unknown[];

interface RoomInfo {
  roomId: string;
  from?: string;
  timestamp: string;
  offset?: number;
  messageId?: string;
  key?: string;
  revision?: number;
}

/** A room message whose event is not `message`. */
interface MessageInfo extends RoomInfo {
  message: unknown;
  event?: string;
}

type Answer = { status: 'ok' } | { status: 'error'; error: { code: string; message: string } };

/** The transport on socket.io-client: for `connect({ transport: socketIO() })`. Reconnecting is the client's matter, as with the others. */
export function socketIO(options: Partial<ManagerOptions & SocketOptions> = {}): TransportFactory {
  return { name: 'socketio', create: (context) => new SocketIoTransport(context, options) };
}

/**
 * The events of docs/socketio.md. They tell offsets and no epochs: a room's is in the answer to its join, so what comes before that answer is held; those of
 * the inbox and the notifications are in their pages, which are read after the cursors, since a connection cannot begin with these.
 */
class SocketIoTransport implements Transport {
  readonly #context: TransportContext;
  readonly #options: Partial<ManagerOptions & SocketOptions>;
  #socket: Socket | undefined;
  readonly #epochs = new Map<string, string>();
  /** What rooms have brought whose joins are not answered yet. */
  readonly #joining = new Map<string, Message[]>();
  #inboxEpoch = '';
  #notificationEpoch = '';
  /** What came while the pages of the inbox and the notifications were read; undefined once these are done. */
  #held: (() => void)[] | undefined = [];

  constructor(context: TransportContext, options: Partial<ManagerOptions & SocketOptions>) {
    this.#context = context;
    this.#options = options;
  }

  async start(session: Session): Promise<Map<string, JoinOutcome>> {
    const socket = io(this.#context.url, {
      ...this.#options, auth: { token: session.token }, reconnection: false, forceNew: true, autoConnect: false,
    });
    this.#socket = socket;
    socket.onAny((name: string, ...args: Arguments) => this.#receive(name, args));
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', (error: Error & { data?: { code?: string; message?: string } }) => {
        const { code, message } = error.data ?? {};
        reject(code ? new RealtimeError(code, message ?? error.message) : error);
      });
      socket.once('disconnect', (reason) => reject(new RealtimeError('connection_lost', `The connection was closed: ${reason}.`)));
      socket.connect();
    });
    socket.on('disconnect', (reason) => {
      if (socket !== this.#socket) return;
      this.stop();
      this.#context.events.closed(new RealtimeError('connection_lost', `The connection was closed: ${reason}.`));
    });
    const rooms = [...session.rooms].map(async ([room, cursor]): Promise<[string, JoinOutcome]> => {
      try {
        return [room, await this.join(room, cursor)];
      } catch (error) {
        return [room, error as Error];
      }
    });
    const [outcomes] = await Promise.all([Promise.all(rooms), this.#catchUp(session)]);
    return new Map(outcomes);
  }

  stop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.offAny();
    socket?.disconnect();
  }

  async join(room: string, cursor: string | undefined): Promise<JoinResult> {
    if (room.startsWith('/') && !room.startsWith('/:')) {
      throw new RealtimeError('invalid_argument', `This transport is in the namespace '/' only; '${room}' can be joined by SignalR and SSE.`);
    }
    this.#joining.set(room, []);
    try {
      return await this.#ask<JoinResult>('join:room', { roomId: room, cursor }, ({ cursor: position }) => {
        this.#epochs.set(room, parseCursor(position).epoch);
        const held = this.#joining.get(room) ?? [];
        this.#joining.delete(room);
        for (const message of held) this.#roomMessage(room, message);
      });
    } finally {
      this.#joining.delete(room);
    }
  }

  async leave(room: string): Promise<void> {
    this.#epochs.delete(room);
    await this.#ask('leave:room', { roomId: room });
  }

  async renew(token: string): Promise<void> {
    await this.#ask('authenticate', { token });
  }

  send(to: Destination, { event, data = null, messageId, delivery, key }: OutgoingMessage): Promise<Ack> {
    const message = { message: data, event, messageId, delivery, key };
    if (to.kind === 'room') return this.#ask('message', { roomId: to.room, ...message });
    if (to.kind === 'direct') return this.#ask('direct:message', { userId: to.user, ...message });
    return this.#ask('notification', { namespace: to.namespace, ...message });
  }

  async history(room: string, query: HistoryQuery): Promise<HistoryPage> {
    return pageOf(await this.#ask('history', { roomId: room, ...query }));
  }

  async inbox(query: HistoryQuery): Promise<HistoryPage> {
    return pageOf(await this.#ask('inbox', query));
  }

  presence(room: string): Promise<Presence> {
    return this.#ask('presence', { roomId: room });
  }

  async request(event: string, data: unknown, namespace: string | undefined, timeout: number): Promise<unknown> {
    // Of another namespace than that of this connection.
    if (namespace !== undefined && namespace !== '/') return this.#context.rest.request(event, data, namespace, timeout);
    const args = data === undefined ? [] : [data];
    let unknown: unknown;
    if (!BUILT_IN.has(event)) {
      try {
        return await this.#emit(timeout, event, args, checked);
      } catch (error) {
        if (!(error instanceof RealtimeError) || error.code !== 'unknown_event') throw error;
        unknown = error;
      }
    }
    // In this form a request may start a job too. It answers with a sentence, without a code.
    return this.#emit(timeout, `request:${event}`, args, (answer) => {
      const { success, result, error } = answer as { success: boolean; result?: unknown; error?: string };
      if (!success) throw unknown ?? new RealtimeError('failed', error ?? 'The request has failed.', { permanent: true });
      return result;
    });
  }

  async requestUser(user: string, event: string, data: unknown, timeout: number): Promise<unknown> {
    // The server's answer that nobody answered has to arrive too.
    const patience = timeout + this.#context.requestTimeout;
    const answer = await this.#emit(patience, 'user:request', [{ userId: user, event, data, timeout: timeout / 1_000 }], checked);
    return (answer as { data?: unknown }).data ?? null;
  }

  async startJob(name: string, data: unknown, options: JobOptions): Promise<StartedJob> {
    return (await this.#ask<{ job: StartedJob }>('job:start', { name, data, ...options })).job;
  }

  async job(id: string): Promise<Job> {
    return (await this.#ask<{ job: Job }>('job', id)).job;
  }

  async cancelJob(id: string): Promise<boolean> {
    return (await this.#ask<{ cancelled: boolean }>('job:cancel', id)).cancelled;
  }

  keys(user: string): Promise<UserKeys> {
    return this.#ask('keys', user);
  }

  putKey(key: string): Promise<UserKeys> {
    return this.#ask('key:put', key);
  }

  removeKey(key: string): Promise<UserKeys> {
    return this.#ask('key:remove', key);
  }

  async ping(): Promise<void> {
    await this.#emit(this.#context.requestTimeout, 'request', [null], (answer) => answer);
  }

  /** Reads what the inbox and the notifications had after the cursors, and then lets through what came meanwhile. */
  async #catchUp({ inbox, inboxEnd, notifications }: Session): Promise<void> {
    const { events, rest } = this.#context;
    const [deliverInbox, deliverNotifications] = await Promise.all([
      // Without a cursor: what no connection had been handed comes before the first answer.
      inbox === undefined ? this.ping() : readAfter(inbox, (query) => this.inbox(query)),
      readAfter(notifications, (query) => rest.notifications(query)),
    ]);
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#inboxEpoch = parseCursor(deliverInbox?.(events.direct, (gap) => events.gap(gap)) ?? inboxEnd).epoch;
    this.#notificationEpoch = parseCursor(deliverNotifications(events.notification, (gap) => events.gap({ ...gap, namespace: '/' }))).epoch;
    for (const deliver of held) deliver();
    if (inbox === undefined) events.inboxPositioned(inboxEnd);
  }

  #receive(name: string, args: Arguments): void {
    const { events } = this.#context;
    const last = args.at(-1);
    if (typeof last === 'function') return this.#requested(name, args[0], last as (...answer: unknown[]) => void);
    if (typeof last === 'string' && OFFSET.test(last)) args = args.slice(0, -1);
    const [first, info] = args;
    switch (name) {
      case 'message:new': {
        const { message, event = 'message', ...rest } = first as MessageInfo;
        return this.#roomMessage(rest.roomId, messageOf(event, message, rest));
      }
      case 'direct:message': {
        const { message, event = 'message', ...rest } = first as MessageInfo;
        const direct = messageOf(event, message, rest);
        return this.#whenCaughtUp(() => events.direct(placed(direct, this.#inboxEpoch)));
      }
      case 'notification': {
        const { namespace, event, ...rest } = info as RoomInfo & { namespace: string; event: string };
        const notification = { ...messageOf(event, first, rest), namespace };
        return this.#whenCaughtUp(() => events.notification(placed(notification, this.#notificationEpoch)));
      }
      case 'user:joined':
      case 'user:left': {
        const { roomId: room, members } = info as { roomId: string; members: number };
        return events.presence({ room, members, joined: name === 'user:joined' ? [first as string] : [], left: name === 'user:left' ? [first as string] : [] });
      }
      case 'room:members': {
        const { roomId: room, members } = first as { roomId: string; members: number };
        return events.presence({ room, members, joined: [], left: [] });
      }
      case 'gap':
        return this.#gap(first as Gap & { roomId?: string });
      case 'closing':
        return events.closing(first as Closing);
      case 'room:joined':
      case 'room:left':
        return;
      default:
        if (isRoomInfo(info)) return this.#roomMessage(info.roomId, messageOf(name, first, info));
        return events.event({ event: name, ...(args.length > 0 && { data: first }) });
    }
  }

  #requested(name: string, data: unknown, acknowledge: (...answer: unknown[]) => void): void {
    const ofUser = name === 'request' && typeof data === 'object' && data !== null && 'event' in data;
    const { event, data: asked, from } = ofUser ? (data as { event: string; data?: unknown; from?: string }) : { event: name, data, from: undefined };
    this.#context.events.requested({
      event, data: asked,
      ...(from !== undefined && { from }),
      answer: async (answer) => acknowledge(answer ?? null),
      refuse: async (message) => acknowledge({ status: 'error', error: { message } }),
    });
  }

  #roomMessage(room: string, message: Message): void {
    const held = this.#joining.get(room);
    if (held) held.push(message);
    else this.#context.events.message(placed({ ...message, room }, this.#epochs.get(room) ?? ''));
  }

  #whenCaughtUp(deliver: () => void): void {
    if (this.#held) this.#held.push(deliver);
    else deliver();
  }

  #gap({ roomId: room, reason, cursor }: Gap & { roomId?: string }): void {
    if (room === undefined || cursor === undefined) {
      // Of the inbox or the notifications, which it does not say. The next connection finds out by their pages.
      this.stop();
      return this.#context.events.closed(new RealtimeError('connection_lost', 'Direct messages or notifications are missing.'));
    }
    this.#epochs.set(room, parseCursor(cursor).epoch);
    this.#context.events.gap({ room, reason, cursor });
  }

  /** An event of docs/socketio.md. `use` is called as the answer arrives, before what comes after it. */
  #ask<T>(event: string, argument: unknown, use?: (result: T) => void): Promise<T> {
    return this.#emit(this.#context.requestTimeout, event, [argument], (answer) => {
      const result = checked(answer) as T;
      use?.(result);
      return result;
    });
  }

  #emit<T>(timeout: number, event: string, args: Arguments, use: (answer: unknown) => T): Promise<T> {
    const socket = this.#socket;
    if (!socket) return Promise.reject(new RealtimeError('not_connected', 'There is no connection.'));
    return new Promise((resolve, reject) => {
      const lost = () => reject(new RealtimeError('connection_lost', 'The connection was lost before the server answered.'));
      socket.once('disconnect', lost);
      socket.timeout(timeout).emit(event, ...args, (late: Error | null, answer: unknown) => {
        socket.off('disconnect', lost);
        if (late && !socket.connected) return lost();
        if (late) return reject(new RealtimeError('timeout', `'${event}' took longer than ${timeout} ms.`));
        try {
          resolve(use(answer));
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

/** Reads all pages after the cursor. The result hands them out, or tells of a gap, and returns the cursor at their end. */
async function readAfter(
  after: string, page: (query: HistoryQuery) => Promise<HistoryPage>,
): Promise<(deliver: (message: Message) => void, tell: (gap: Gap) => void) => string> {
  const messages: Message[] = [];
  let recovered = true;
  let cursor = after;
  for (let more = true; more; ) {
    const next = await page({ after: cursor, limit: PAGE });
    recovered &&= next.recovered;
    messages.push(...next.messages);
    more = next.more && next.cursor !== cursor;
    cursor = next.cursor!;
  }
  return (deliver, tell) => {
    if (recovered) messages.forEach(deliver);
    else tell({ reason: 'not_recovered', cursor });
    return cursor;
  };
}

/** The answer of an event, which says so where it has failed. */
function checked(answer: unknown): unknown {
  const { status, error } = (answer ?? {}) as Partial<Extract<Answer, { status: 'error' }>>;
  if (status === 'error' && error?.code) throw new RealtimeError(error.code, error.message);
  return answer;
}

function messageOf(event: string, data: unknown, { from, timestamp, offset, messageId, key, revision }: RoomInfo): Message {
  return {
    event,
    data: data instanceof ArrayBuffer ? new Uint8Array(data) : data,
    time: timestamp,
    ...(from != null && { from }),
    ...(offset !== undefined && { offset }),
    ...(messageId !== undefined && { messageId }),
    ...(offset === undefined && { delivery: key === undefined ? 'transient' : 'latest' }),
    ...(key !== undefined && { key }),
    ...(revision !== undefined && { revision }),
  };
}

function placed(message: Message, epoch: string): Message {
  return message.offset === undefined ? message : { ...message, epoch, cursor: `${epoch}:${message.offset}` };
}

function isRoomInfo(value: unknown): value is RoomInfo {
  return typeof value === 'object' && value !== null && 'roomId' in value && 'timestamp' in value;
}

function pageOf(page: HistoryPage): HistoryPage {
  return { messages: page.messages.map(fromWire), cursor: page.cursor, more: page.more, recovered: page.recovered };
}
