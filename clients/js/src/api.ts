import type { Codec } from './codec.js';
import type { RealtimeError } from './errors.js';
import type {
  Ack, AppEvent, Closing, Destination, Gap, HistoryPage, HistoryQuery, Members, Message, Presence, PresenceChange, RefusedMessage, SendOptions, UserKeys,
} from './messages.js';
import type { TransportFactory } from './transports/transport.js';

/** Calling it ends the subscription. Calling it again does nothing. */
export type Unsubscribe = () => void;

export interface ConnectOptions {
  /** Of the gateway, such as `https://example.com`. In a browser, where the page comes from if absent. */
  url?: string;
  /** A token that cannot be renewed. */
  token?: string;
  /** Fetches a token; asked again when it is about to expire and when the server has refused it. */
  getToken?: (request: TokenRequest) => string | Promise<string>;
  /** `auto` (the default) is SignalR, or server-sent events where WebSockets do not get through. */
  transport?: 'auto' | 'signalr' | 'sse' | TransportFactory;
  /** Keeps cursors and the outbox over a reload: `sessionStorage`, for instance. One tab at a time can use a `localStorage`. Absent: memory only. */
  storage?: StorageLike;
  /** Default `orleans-realtime`; the user's id is added. */
  storageKey?: string;
  backoff?: Partial<BackoffOptions>;
  /** Milliseconds for one request to the server; default 10,000. */
  requestTimeout?: number;
  /** Milliseconds for one attempt to connect; default 15,000. */
  connectTimeout?: number;
  /** Messages that may wait in the outbox; default 1,000. */
  outboxLimit?: number;
  fetch?: typeof fetch;
  /** For SignalR; in Node `ws` is used where there is no WebSocket. */
  webSocket?: typeof WebSocket;
}

export interface TokenRequest {
  /** Whether a new one is needed; otherwise one that is at hand will do. */
  refresh: boolean;
  reason: 'connect' | 'expiring' | 'expired' | 'refused';
}

/** What is used of the browser's Storage. */
export type StorageLike = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** Milliseconds. The n-th delay is `base` doubled n times, at most `max`, and up to `jitter` more; after `attempts` the connection has failed. */
export interface BackoffOptions {
  base: number;
  max: number;
  jitter: number;
  attempts: number;
}

export type ConnectionState = 'connecting' | 'connected' | 'reconnecting' | 'failed' | 'closed';

export interface ConnectionInfo {
  state: ConnectionState;
  /** `signalr`, `sse`, `socketio`, or a name of one's own. */
  transport: string;
  /** Failed attempts since the connection was last up. */
  attempt: number;
  /** When the next attempt is made, in milliseconds since 1970. */
  retryAt?: number;
  /** Why it is not connected. */
  error?: Error;
  /** How often the connection was established again. */
  reconnects: number;
  /** How far each channel was received: `room:general`, `inbox`, `notifications`. */
  cursors: Record<string, string>;
  /** The last `ping`, in milliseconds. */
  latency?: number;
  connectedAt?: Date;
}

export interface ClientEvents {
  state: (state: ConnectionState) => void;
  info: (info: ConnectionInfo) => void;
  direct: (message: Message) => void;
  notification: (message: Message) => void;
  /** In any channel; rooms tell it as well. */
  gap: (gap: Gap) => void;
  closing: (closing: Closing) => void;
  /** What happened in the background and nobody waits for: a handler that threw, a room that could not be joined again, a storage that is full. */
  error: (error: Error) => void;
  /** What the application sent to this connection. */
  event: (event: AppEvent) => void;
  /** A direct message that the codec did not accept. */
  refused: (refused: RefusedMessage) => void;
  /** A direct message that had been refused can be read now. */
  amended: (message: Message) => void;
}

export interface Client {
  readonly state: ConnectionState;
  /** From the token; undefined until there is one. */
  readonly user: string | undefined;
  readonly info: ConnectionInfo;
  readonly outbox: Outbox;
  readonly jobs: Jobs;
  readonly keys: KeyDirectory;
  readonly storage: StorageLike | undefined;

  on<E extends keyof ClientEvents>(event: E, handler: ClientEvents[E]): Unsubscribe;
  /** Resolves when connected, rejects when that has failed for good. */
  connected(): Promise<void>;
  /** Now, not after the delay; also the way out of `failed`. */
  reconnect(): void;
  /** For good. What waits in the outbox stays in the storage, if there is one. */
  close(): void;
  /** The round trip to the gateway, in milliseconds. */
  ping(): Promise<number>;

  /** Before anything is sent or joined. */
  use(codec: Codec): void;
  /** For the codec: a message that was refused has been decoded after all. */
  amend(message: Message): void;

  /** One object for each name. */
  room<T = unknown>(name: string, options?: RoomOptions): Room<T>;
  direct<T = unknown>(user: string, options?: RoomOptions): Direct<T>;
  /** One's own direct messages. */
  inbox(query?: HistoryQuery): Promise<HistoryPage>;
  /** To everybody in a namespace; needs the role `admin`. */
  notify(data: unknown, options?: SendOptions & { namespace?: string }): Sent;

  /** Calls the application's handler of the event. */
  request<T = unknown>(event: string, data?: unknown, options?: { namespace?: string; timeout?: number }): Promise<T>;
  /** Asks another user's clients; the first answer counts. The timeout is in milliseconds. */
  requestUser<T = unknown>(user: string, event: string, data?: unknown, options?: { timeout?: number }): Promise<T>;
  /** Answers what the server and other users ask. Throw a `RefusedError` to refuse. SSE clients are not asked. */
  onRequest<T = unknown>(event: string, handler: RequestHandler<T>): Unsubscribe;

  /** Publications whose topic matches: `orders.*`, `orders.>`. The first word is always literal. */
  subscribe<T = unknown>(pattern: string, handler: (data: T, publication: Publication<T>) => void): Subscription;
  publish(topic: string, data: unknown, options?: { messageId?: string }): Promise<Ack>;
}

export interface Subscription extends Unsubscribe {
  /** Resolves once publications are delivered; rejects where the topic may not be subscribed to. */
  ready: Promise<void>;
}

export interface Publication<T = unknown> extends Message<T> {
  topic: string;
}

export type RequestHandler<T = unknown> = (data: T, request: { event: string; from?: string }) => unknown;

export interface RoomOptions {
  /** For the codec: nothing is sent in the clear, and nothing in the clear is accepted. Cannot be taken back. */
  encrypted?: boolean;
}

export type RoomState = 'left' | 'joining' | 'joined' | 'failed';

export interface RoomEvents<T = unknown> {
  message: (message: Message<T>) => void;
  gap: (gap: Gap) => void;
  presence: (change: PresenceChange) => void;
  /** `room.members` has changed. */
  members: (members: Members) => void;
  /** The log has begun anew or messages are gone: what is shown is to be loaded again. */
  reset: () => void;
  state: (state: RoomState) => void;
  error: (error: RealtimeError) => void;
  refused: (refused: RefusedMessage) => void;
  amended: (message: Message<T>) => void;
}

export interface Room<T = unknown> {
  readonly name: string;
  readonly encrypted: boolean;
  readonly state: RoomState;
  readonly joined: boolean;
  readonly error: RealtimeError | undefined;
  /** How far it was delivered. */
  readonly cursor: string | undefined;
  /** Kept up to date from the first use on, while joined. */
  readonly members: Members;

  /** Counted: as many calls of `leave` leave it. Resolves once joined; rejoins by itself. */
  join(): Promise<void>;
  leave(): void;
  on<E extends keyof RoomEvents<T>>(event: E, handler: RoomEvents<T>[E]): Unsubscribe;
  /** Joins, and ends with the signal, the client, or the loop. */
  messages(options?: { signal?: AbortSignal }): AsyncIterableIterator<Message<T>>;
  send(data: unknown, options?: SendOptions): Sent;
  history(query?: HistoryQuery): Promise<HistoryPage<T>>;
  presence(): Promise<Presence>;
}

/** A conversation with one user. */
export interface Direct<T = unknown> {
  readonly user: string;
  readonly encrypted: boolean;
  send(data: unknown, options?: SendOptions): Sent;
  /** What comes from this user. */
  on(event: 'message', handler: (message: Message<T>) => void): Unsubscribe;
}

export type SentState = 'queued' | 'sending' | 'kept' | 'failed' | 'discarded';

/** A message on its way. */
export interface Sent {
  readonly messageId: string;
  readonly to: Destination;
  readonly event: string;
  /** As the application gave it, not as a codec has it. */
  readonly data: unknown;
  readonly queuedAt: Date;
  readonly state: SentState;
  /** Why it failed. */
  readonly error: RealtimeError | undefined;
  /** Once it is kept. */
  readonly ack: Ack | undefined;
  /** Resolves when the server has kept it; rejects when it has failed or been discarded. After `retry` there is a new one. */
  readonly kept: Promise<Ack>;
  on(event: 'state', handler: (state: SentState) => void): Unsubscribe;
  /** Sends a failed message again. */
  retry(): void;
  /** Takes it out of the outbox. One that is being sent may have been kept all the same. */
  discard(): void;
}

export interface Outbox {
  readonly size: number;
  /** What is not kept yet, oldest first, failed ones included. */
  readonly entries: readonly Sent[];
  on(event: 'change', handler: () => void): Unsubscribe;
}

export interface KeyDirectory {
  /** A user's keys, the newest first; one's own where no user is given. */
  list(user?: string): Promise<UserKeys>;
  put(key: string): Promise<UserKeys>;
  remove(key: string): Promise<UserKeys>;
}

export interface StartedJob {
  id: string;
  name: string;
  /** Its room, `job:ID`. */
  room: string;
  /** The path of its event stream. */
  events: string;
  status: JobStatus;
}

export type JobStatus = 'running' | 'completed' | 'failed' | 'cancelled';

export interface Job<Result = unknown> extends StartedJob {
  startedBy?: string;
  startedAt: string;
  endedAt?: string;
  /** The data of the last status. */
  progress?: unknown;
  result?: Result;
  error?: JobError;
}

export interface JobError {
  code: string;
  message: string;
}

export interface JobWatcher<Status = unknown, Result = unknown> {
  status?(data: Status): void;
  complete?(result: Result): void;
  error?(error: JobError): void;
}

export interface Jobs {
  start(name: string, data?: unknown, options?: { idempotencyKey?: string; cancelWhenUnwatched?: boolean }): Promise<StartedJob>;
  /** From the job's first status on, over any reconnections. `complete` or `error` comes once and last. */
  watch<Status = unknown, Result = unknown>(id: string, watcher: JobWatcher<Status, Result>): Unsubscribe;
  /** What the job ends with; rejects with a `RealtimeError` where it fails. */
  result<Result = unknown>(id: string): Promise<Result>;
  get<Result = unknown>(id: string): Promise<Job<Result>>;
  /** Whether it was still running. */
  cancel(id: string): Promise<boolean>;
}
