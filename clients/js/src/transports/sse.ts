import type { Job, StartedJob } from '../api.js';
import { fromWire } from '../binary.js';
import { INBOX, NOTIFICATIONS, parseCursor, roomChannel } from '../cursor.js';
import { Deferred } from '../deferred.js';
import { errorOfResponse, isPermanent, RealtimeError } from '../errors.js';
import type { Ack, Closing, Destination, Gap, HistoryPage, HistoryQuery, Message, Presence, PresenceChange, UserKeys } from '../messages.js';
import { EventStreamParser, type StreamEvent } from './event-stream.js';
import type { JobOptions, JoinOutcome, JoinResult, OutgoingMessage, Session, Transport, TransportContext } from './transport.js';

// Milliseconds. The server sends a comment every 15 s; without any for so long the connection is dead.
const SILENCE = 45_000;
// Rooms that are joined or left within so many milliseconds cost one new stream.
const GATHER = 20;

/** Room messages come under their own events, which may be called like any other. What else has a room, has no event. */
const isRoomMessage = (data: unknown, event: string): data is Message => typeof data === 'object' && data !== null && 'room' in data && 'event' in data && data.event === event;

/**
 * Server-sent events to receive and REST to send.
 *
 * The rooms of a stream are fixed, so joining or leaving one opens another stream with the cursors of all channels; the former one delivers until the new one is
 * there, and what both bring is sorted out by the offsets.
 */
export class SseTransport implements Transport {
  readonly #context: TransportContext;
  #token = '';
  #stream: Stream | undefined;
  #stopped = false;
  /** How far each channel was received; a room that is followed has one. */
  readonly #cursors = new Map<string, string>();
  readonly #rooms = new Set<string>();
  #inboxEpoch = '';
  /** The inbox has a cursor. */
  readonly #positioned = new Deferred<void>();
  #reopening: Deferred<void> | undefined;
  /** One after another. */
  #opening: Promise<void> = Promise.resolve();
  /** Not there yet. */
  #next: Stream | undefined;

  constructor(context: TransportContext) {
    this.#context = context;
  }

  async start({ token, rooms, inbox, inboxEnd, notifications }: Session): Promise<Map<string, JoinOutcome>> {
    this.#token = token;
    if (inbox !== undefined) this.#cursors.set(INBOX, inbox);
    this.#inboxEpoch = parseCursor(inboxEnd).epoch;
    this.#cursors.set(NOTIFICATIONS, notifications);
    const outcomes = new Map<string, JoinOutcome>();
    const admit = async (room: string, cursor: string | undefined, check: boolean) => {
      try {
        outcomes.set(room, await this.#admit(room, cursor, check));
      } catch (error) {
        if (!isPermanent(error)) throw error;
        this.#rooms.delete(room);
        outcomes.set(room, error as Error);
      }
    };
    await Promise.all([...rooms].map(([room, cursor]) => admit(room, cursor, false)));
    try {
      await this.#open();
    } catch (error) {
      if (!isPermanent(error) || this.#rooms.size === 0) throw error;
      // One room that is refused refuses the stream as a whole. Which one it is, each says when asked by itself.
      await Promise.all([...this.#rooms].map((room) => admit(room, rooms.get(room), true)));
      await this.#open();
    }
    if (inbox === undefined) await this.#positioned.promise;
    return outcomes;
  }

  stop(): void {
    this.#stopped = true;
    this.#positioned.reject(new RealtimeError('connection_lost', 'The connection was closed.'));
    this.#stream?.stop();
    this.#stream = undefined;
    this.#next?.stop();
    this.#reopening?.reject(new RealtimeError('connection_lost', 'The connection was closed.'));
    this.#reopening = undefined;
  }

  async join(room: string, cursor: string | undefined): Promise<JoinResult> {
    const result = await this.#admit(room, cursor, true);
    await this.#reopen();
    return result;
  }

  async leave(room: string): Promise<void> {
    this.#rooms.delete(room);
    this.#cursors.delete(roomChannel(room));
    await this.#reopen();
  }

  async renew(token: string): Promise<void> {
    this.#token = token;
    await this.#reopen();
  }

  send(to: Destination, message: OutgoingMessage): Promise<Ack> {
    return this.#context.rest.send(to, message);
  }

  history(room: string, query: HistoryQuery): Promise<HistoryPage> {
    return this.#context.rest.history(room, query);
  }

  inbox(query: HistoryQuery): Promise<HistoryPage> {
    return this.#context.rest.inbox(query);
  }

  presence(room: string): Promise<Presence> {
    return this.#context.rest.presence(room);
  }

  request(event: string, data: unknown, namespace: string | undefined, timeout: number): Promise<unknown> {
    return this.#context.rest.request(event, data, namespace, timeout);
  }

  requestUser(user: string, event: string, data: unknown, timeout: number): Promise<unknown> {
    return this.#context.rest.requestUser(user, event, data, timeout);
  }

  startJob(name: string, data: unknown, options: JobOptions): Promise<StartedJob> {
    return this.#context.rest.startJob(name, data, options);
  }

  job(id: string): Promise<Job> {
    return this.#context.rest.job(id);
  }

  cancelJob(id: string): Promise<boolean> {
    return this.#context.rest.cancelJob(id);
  }

  keys(user: string): Promise<UserKeys> {
    return this.#context.rest.keys(user);
  }

  putKey(key: string): Promise<UserKeys> {
    return this.#context.rest.putKey(key);
  }

  removeKey(key: string): Promise<UserKeys> {
    return this.#context.rest.removeKey(key);
  }

  ping(): Promise<void> {
    return this.#context.rest.ping();
  }

  /** A room to be in the next stream. Where it has no cursor, it begins at its end. */
  async #admit(room: string, cursor: string | undefined, check: boolean): Promise<JoinResult> {
    if (cursor === undefined || check) {
      const page = await this.#context.rest.history(room, { limit: 1, ...(cursor !== undefined && { after: cursor }) });
      cursor ??= page.cursor!;
    }
    this.#rooms.add(room);
    this.#cursors.set(roomChannel(room), cursor);
    // Where the cursor is no good any more, the stream tells of the gap.
    return { cursor, recovered: true };
  }

  /** Another stream for the present rooms and token, once for all that ask for it within a moment. */
  #reopen(): Promise<void> {
    if (this.#stopped) return Promise.reject(new RealtimeError('not_connected', 'There is no connection.'));
    if (this.#reopening) return this.#reopening.promise;
    const reopening = new Deferred<void>();
    this.#reopening = reopening;
    setTimeout(() => {
      if (this.#reopening !== reopening) return;
      this.#reopening = undefined;
      this.#opening = this.#opening.then(() => this.#open()).then(reopening.resolve, (error: unknown) => {
        reopening.reject(error);
        if (!this.#stopped) this.#lost(error as Error);
      });
    }, GATHER);
    return reopening.promise;
  }

  async #open(): Promise<void> {
    const stream = new Stream(this.#context.fetch);
    this.#next = stream;
    const query = new URLSearchParams({ user: '1' });
    for (const room of this.#rooms) query.append('room', room);
    await stream.open(`${this.#context.url}/events?${query}`, {
      Authorization: `Bearer ${this.#token}`, 'Last-Event-ID': [...this.#cursors.values()].join(','),
    });
    if (this.#stopped) return stream.stop();
    const former = this.#stream;
    this.#stream = stream;
    former?.stop();
    void this.#follow(stream);
  }

  async #follow(stream: Stream): Promise<void> {
    try {
      for await (const event of stream) {
        if (stream !== this.#stream) return;
        if (event.data === undefined) this.#position(event.id);
        else this.#receive(event.event, event.data);
      }
      throw new RealtimeError('connection_lost', 'The event stream has ended.');
    } catch (error) {
      if (stream === this.#stream && !this.#stopped) this.#lost(error as Error);
    }
  }

  #lost(error: Error): void {
    this.stop();
    this.#context.events.closed(error);
  }

  /** The first id has the cursors of all channels; the inbox's tells where that begins, if nobody knew. */
  #position(id: string): void {
    if (this.#cursors.has(INBOX)) return;
    const cursor = id.split(',').find((each) => parseCursor(each).epoch === this.#inboxEpoch);
    if (cursor === undefined) return;
    this.#cursors.set(INBOX, cursor);
    this.#context.events.inboxPositioned(cursor);
    this.#positioned.resolve();
  }

  #receive(event: string, text: string): void {
    const { events } = this.#context;
    const data = JSON.parse(text) as unknown;
    if (isRoomMessage(data, event)) {
      if (data.cursor !== undefined && this.#rooms.has(data.room!)) this.#cursors.set(roomChannel(data.room!), data.cursor);
      return events.message(fromWire(data));
    }
    switch (event) {
      case 'direct':
        return events.direct(this.#moved(INBOX, data as Message));
      case 'notification':
        return events.notification(this.#moved(NOTIFICATIONS, data as Message));
      case 'presence':
        return events.presence(data as PresenceChange);
      case 'gap':
        return this.#gap(data as Gap);
      case 'closing':
        return events.closing(data as Closing);
      default:
        return events.event({ event, data });
    }
  }

  #moved(channel: string, message: Message): Message {
    if (message.cursor !== undefined) this.#cursors.set(channel, message.cursor);
    return fromWire(message);
  }

  #gap(gap: Gap): void {
    const channel = gap.room !== undefined ? roomChannel(gap.room) : gap.namespace !== undefined ? NOTIFICATIONS : INBOX;
    if (gap.cursor !== undefined && (gap.room === undefined || this.#rooms.has(gap.room))) this.#cursors.set(channel, gap.cursor);
    this.#context.events.gap(gap);
  }
}

/** One `GET /events`. */
class Stream implements AsyncIterable<StreamEvent> {
  readonly #fetch: typeof fetch;
  readonly #abort = new AbortController();
  #body: ReadableStream<Uint8Array> | undefined;

  constructor(fetch: typeof globalThis.fetch) {
    this.#fetch = fetch;
  }

  async open(url: string, headers: Record<string, string>): Promise<void> {
    const response = await this.#fetch(url, { headers: { Accept: 'text/event-stream', ...headers }, cache: 'no-store', signal: this.#abort.signal });
    if (!response.ok || !response.body) throw await errorOfResponse(response);
    this.#body = response.body;
  }

  stop(reason?: Error): void {
    this.#abort.abort(reason);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StreamEvent> {
    const parser = new EventStreamParser();
    const reader = this.#body!.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const timer = setTimeout(() => this.stop(new RealtimeError('connection_lost', `Nothing has come for ${SILENCE} ms.`)), SILENCE);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  }
}
