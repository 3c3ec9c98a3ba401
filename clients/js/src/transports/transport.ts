import type { Job, StartedJob } from '../api.js';
import type {
  Ack, AppEvent, Closing, Destination, Gap, HistoryPage, HistoryQuery, Message, Presence, PresenceChange, SendOptions, UserKeys,
} from '../messages.js';
import type { Rest } from '../rest.js';

/** What a client asks the server for. Each transport has the same, by its own words (docs/api.md). */
export interface Operations {
  send(to: Destination, message: OutgoingMessage): Promise<Ack>;
  history(room: string, query: HistoryQuery): Promise<HistoryPage>;
  inbox(query: HistoryQuery): Promise<HistoryPage>;
  presence(room: string): Promise<Presence>;
  request(event: string, data: unknown, namespace: string | undefined, timeout: number): Promise<unknown>;
  /** The timeout is in milliseconds here too. */
  requestUser(user: string, event: string, data: unknown, timeout: number): Promise<unknown>;
  startJob(name: string, data: unknown, options: JobOptions): Promise<StartedJob>;
  job(id: string): Promise<Job>;
  cancelJob(id: string): Promise<boolean>;
  keys(user: string): Promise<UserKeys>;
  putKey(key: string): Promise<UserKeys>;
  removeKey(key: string): Promise<UserKeys>;
  /** The cheapest there and back. */
  ping(): Promise<void>;
}

export interface OutgoingMessage extends Pick<SendOptions, 'delivery' | 'key'> {
  event: string;
  data: unknown;
  messageId: string;
}

export interface JobOptions {
  idempotencyKey?: string;
  cancelWhenUnwatched?: boolean;
}

export interface JoinResult {
  /** Where the room stands. */
  cursor: string;
  /** False where messages after the cursor that was given are gone. */
  recovered: boolean;
}

/** What becomes of a room when a connection starts: joined, or refused for good. */
export type JoinOutcome = JoinResult | Error;

/** What a transport needs of the client to start. */
export interface Session {
  token: string;
  user: string;
  /** Rooms to be in, and how far each was received. */
  rooms: ReadonlyMap<string, string | undefined>;
  /** How far the inbox was received; undefined for a client that begins with what no connection of the user has been handed yet. */
  inbox: string | undefined;
  /** Where the inbox ended shortly before. It is no place to begin at, but what one is recognized by: its epoch is the inbox's. */
  inboxEnd: string;
  notifications: string;
}

/** What a transport reports. Messages come as docs/api.md has them, with binary data as `Uint8Array`; what came before is sorted out by the receiver. */
export interface TransportEvents {
  message(message: Message): void;
  direct(message: Message): void;
  notification(message: Message): void;
  presence(change: PresenceChange): void;
  gap(gap: Gap): void;
  /** For a session without a cursor of the inbox: what has not come yet comes after this one. */
  inboxPositioned(cursor: string): void;
  closing(closing: Closing): void;
  event(event: AppEvent): void;
  /** The server, or a user, asks. */
  requested(request: IncomingRequest): void;
  /** It is lost, and has stopped. Not for a `start` that rejects, nor after `stop`. */
  closed(error: Error): void;
}

export interface IncomingRequest {
  event: string;
  data: unknown;
  from?: string;
  answer(data: unknown): Promise<unknown>;
  refuse(message: string): Promise<unknown>;
}

/** One connection. It is started once and not used again after it was lost: reconnecting is decided in one place, `Connection`. */
export interface Transport extends Operations {
  /**
   * Resolves when it is connected and each of the session's rooms has its outcome. What followed the cursors is reported by `message` then or soon after.
   * Rejects where it cannot be established.
   */
  start(session: Session): Promise<Map<string, JoinOutcome>>;
  stop(): void;
  join(room: string, cursor: string | undefined): Promise<JoinResult>;
  leave(room: string): Promise<void>;
  /** Goes on with a new token. */
  renew(token: string): Promise<void>;
}

export interface TransportContext {
  /** Of the gateway, without a slash at its end. */
  url: string;
  events: TransportEvents;
  /** For what the transport's own protocol does not have. It knows the current token. */
  rest: Rest;
  requestTimeout: number;
  connectTimeout: number;
  fetch: typeof fetch;
  webSocket: typeof WebSocket | undefined;
}

export interface TransportFactory {
  readonly name: string;
  create(context: TransportContext): Transport | Promise<Transport>;
}
