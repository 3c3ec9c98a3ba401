import type { Client } from './api.js';
import type { Message, Refusal } from './messages.js';

/**
 * Changes messages on their way: what is sent just before it leaves, and what is received before the application sees it. One per client
 * (`client.use(codec)`); the encryption is one.
 *
 * What a codec waits for holds up its own conversation only: each room, the inbox and each conversation of the outbox has a queue of its own, and order is
 * kept in each. Notifications and `jobs` pass by.
 */
export interface Codec {
  /** Called once, by `client.use`. The codec may subscribe to the client's events here. Returns what is to be called when the client is closed. */
  attach?(client: Client): void | (() => void);

  /**
   * Called as a message is received, in order, before it waits for its turn to be decoded: for the codec's own messages between clients, which must not wait
   * behind what needs them. True: it is the codec's, nobody else sees it, and `decode` is not called. It must not throw. Messages of the history do not come here.
   */
  intercept?(message: Message, context: DecodeContext): boolean;

  /**
   * Returns the data to be sent instead. Called before each attempt, so a message that is sent again is encoded again (under the same `messageId`, of which the server keeps the first).
   * A `RealtimeError` that is permanent makes the message `failed`; with any other the message stays queued and is tried again.
   */
  encode(context: EncodeContext, data: unknown): Promise<unknown>;

  /**
   * Returns the message with its data decoded (and `encrypted: true` where it was), or why it is not accepted. Messages of one channel come one after another,
   * in order, whatever this waits for. What it throws is reported as a refusal with the code `malformed`. Undefined: it is the codec's own, and in a page of the
   * history like those that `intercept` takes from what is delivered: nobody else sees it.
   */
  decode(message: Message, context: DecodeContext): Promise<Message | Refused | undefined>;
}

export interface Refused {
  refused: Refusal;
}

/** Returned by `decode` for a message that is not accepted. */
export function refuse(code: string, message: string): Refused {
  return { refused: { code, message } };
}

export function isRefused(result: Message | Refused): result is Refused {
  return result.refused !== undefined;
}

/** Where a message goes to. */
export type EncodeContext = {
  /** The client's own user. */
  from: string;
  event: string;
  messageId: string;
  delivery: 'durable' | 'transient' | 'latest';
  key?: string;
  /** The room or conversation was marked `{encrypted: true}`. */
  encrypted: boolean;
} & ({ kind: 'room'; room: string } | { kind: 'direct'; user: string });

/** Where a message comes from. The message itself has `from`, `messageId`, `offset` and so on. */
export type DecodeContext = {
  /** The client's own user. */
  to: string;
  /** `history`: read from a page, perhaps for the second time; `live`: delivered, each once, in order. */
  source: 'live' | 'history';
  encrypted: boolean;
} & ({ kind: 'room'; room: string } | { kind: 'direct' });

/*
 * What a codec has in the client, besides its public API:
 *
 *   client.user                                              known from the first connection on; `await client.connected()`
 *   client.on('state', …)                                    a key is announced whenever the state becomes `connected`
 *   client.keys.list(user) / .put(key) / .remove(key)        the key directory: {user, keys: [{key, announcedAt}]}
 *   client.room(r).send(data, {event, delivery, plain: true}) past the codec, such as the transient `e2e:key-request`
 *   client.direct(u).send(data, {event: 'e2e:room-key'})     through `encode`
 *   client.room(r).presence(), .members, .on('presence', …)
 *   client.amend(message)                                    a message that was refused can be read now: it comes as the event `amended` of its room (or as
 *                                                            `amended` of the client where it is a direct one), and a list replaces it by its offset
 *   client.storage                                           the Storage of the options, or undefined
 */
