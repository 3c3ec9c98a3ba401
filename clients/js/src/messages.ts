/** What the server and this library hand out; docs/api.md is the reference for the wire. */

/** A message of a room, an inbox or a namespace. */
export interface Message<T = unknown> {
  /** Absent for direct messages and notifications. */
  room?: string;
  /** Of a notification only. */
  namespace?: string;
  event: string;
  /** Binary data is a `Uint8Array`. */
  data: T;
  /** Absent where the server itself published. */
  from?: string;
  /** Place in the channel's log; absent, as `epoch` and `cursor`, for what is not kept in it (`delivery` says why). */
  offset?: number;
  epoch?: string;
  /** `epoch:offset` */
  cursor?: string;
  /** ISO 8601, UTC. */
  time: string;
  /** Absent where the publisher gave none. */
  messageId?: string;
  /** Absent for durable messages. */
  delivery?: 'transient' | 'latest';
  /** Of a `latest` value. */
  key?: string;
  revision?: number;
  /** A codec has decoded it: it was encrypted on its way. */
  encrypted?: boolean;
  /** A codec has not accepted it; then `data` is null. Only in pages of history: live ones come as the event `refused`. */
  refused?: Refusal;
}

/** Why a codec does not accept a message. */
export interface Refusal {
  /** A code, such as `tampered`; docs/encryption.md lists those of the encryption. */
  code: string;
  /** A sentence. */
  message: string;
}

/** A message that a codec did not accept. Its `data` is what came over the wire. */
export interface RefusedMessage {
  message: Message;
  refusal: Refusal;
}

/** Messages are gone for good, or the log has begun anew. */
export interface Gap {
  /** Absent for the inbox and for notifications. */
  room?: string;
  /** For notifications. */
  namespace?: string;
  reason: 'new_epoch' | 'trimmed' | 'not_recovered' | (string & {});
  /** Where delivery goes on. */
  cursor?: string;
}

export interface PresenceChange {
  room: string;
  joined: string[];
  left: string[];
  /** Members after the change. */
  members: number;
}

export interface Presence {
  room: string;
  members: number;
  connections: number;
  /** At most the first 1,000. */
  list: { user: string; connections: number }[];
}

/** Who is in a room, as far as is known now. */
export interface Members {
  count: number;
  /** Sorted. Rooms of more than 1,000 members list nobody but those first found. */
  list: string[];
}

export interface HistoryPage<T = unknown> {
  /** In the order of their offsets. */
  messages: Message<T>[];
  /** Continue after it; null where there is nothing to continue after. */
  cursor: string | null;
  more: boolean;
  /** False where messages after the cursor that was asked for are gone. */
  recovered: boolean;
}

export interface HistoryQuery {
  /** Messages after this cursor, oldest first. */
  after?: string;
  /** The newest messages below this offset. */
  before?: number;
  /** 1 to 500; the server's default is 50. */
  limit?: number;
}

/** The message is kept. */
export interface Ack {
  epoch?: string;
  offset?: number;
  cursor?: string;
  time: string;
  messageId?: string;
  /** It had been kept already by an earlier try. */
  duplicate: boolean;
}

/** Why the server is about to end the connection (docs/api.md lists the reasons). */
export interface Closing {
  reason: string;
  code: number;
  reconnect: boolean;
  message: string;
}

/** What the application sent to this one connection. It is not kept. */
export interface AppEvent {
  event: string;
  data?: unknown;
}

/** Where a message goes to. */
export type Destination =
  | { kind: 'room'; room: string }
  | { kind: 'direct'; user: string }
  | { kind: 'namespace'; namespace: string };

export type Delivery = 'durable' | 'transient' | 'latest';

export interface SendOptions {
  /** The message's event; `message` where none is given. */
  event?: string;
  /** Chosen by the library where none is given. Under the same id a message is kept once. */
  messageId?: string;
  /** `transient` is not kept, and not queued while offline; a `latest` value replaces the one before under its key. */
  delivery?: Delivery;
  key?: string;
  /** Send as it is, past the codec: for the codec's own messages. */
  plain?: boolean;
}

export interface UserKeys {
  user: string;
  keys: { key: string; announcedAt: string }[];
}
