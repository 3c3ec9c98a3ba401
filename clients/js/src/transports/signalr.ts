import { HttpTransportType, HubConnectionBuilder, LogLevel, type HubConnection } from '@microsoft/signalr';
import type { Job, StartedJob } from '../api.js';
import { asBytes, fromWire, toBase64 } from '../binary.js';
import { errorOfHub, RealtimeError } from '../errors.js';
import type { Ack, AppEvent, Closing, Destination, Gap, HistoryPage, HistoryQuery, Message, Presence, PresenceChange, UserKeys } from '../messages.js';
import { withTimeout } from '../timeout.js';
import { TransportBlocked } from './blocked.js';
import type { JobOptions, JoinOutcome, JoinResult, OutgoingMessage, Session, Transport, TransportContext } from './transport.js';

/** Of the server's questions: the cheapest call there is, since nobody waits for its answer. */
const NO_REQUEST = -1;

export class SignalRTransport implements Transport {
  readonly #context: TransportContext;
  #token = '';
  #hub: HubConnection | undefined;

  constructor(context: TransportContext) {
    this.#context = context;
  }

  async start(session: Session): Promise<Map<string, JoinOutcome>> {
    this.#token = session.token;
    const hub = this.#build(session);
    this.#hub = hub;
    try {
      await hub.start();
    } catch (error) {
      // A WebSocket does not tell why it was refused. Where all is well otherwise, it was not the gateway that did.
      await this.#context.rest.probe();
      throw new TransportBlocked('SignalR', error);
    }
    const [outcomes] = await Promise.all([this.#joinAll(session.rooms), this.#positionInbox(session)]);
    if (this.#hub !== hub) throw new RealtimeError('connection_lost', 'The connection was closed while the rooms were joined.');
    return outcomes;
  }

  stop(): void {
    const hub = this.#hub;
    this.#hub = undefined;
    void hub?.stop().catch(() => {});
  }

  join(room: string, cursor: string | undefined): Promise<JoinResult> {
    return this.#invoke('Join', room, cursor ?? null);
  }

  async leave(room: string): Promise<void> {
    await this.#invoke('Leave', room);
  }

  async renew(token: string): Promise<void> {
    this.#token = token;
    await this.#invoke('Authenticate', token);
  }

  async send(to: Destination, message: OutgoingMessage): Promise<Ack> {
    const { event, messageId, delivery, key } = message;
    const bytes = asBytes(message.data);
    const data = message.data ?? null;
    if (bytes) {
      if (to.kind !== 'room' || delivery || key !== undefined) throw new RealtimeError('invalid_argument', 'SignalR takes binary data for rooms only, and as durable messages.');
      return this.#invoke('SendBinary', to.room, event, toBase64(bytes), messageId);
    }
    if (to.kind === 'namespace') return this.#invoke('Broadcast', event, data, to.namespace, messageId);
    if (to.kind === 'direct') {
      // The hub sends durable messages to users.
      return delivery || key !== undefined ? this.#context.rest.send(to, message) : this.#invoke('SendToUser', to.user, event, data, messageId);
    }
    return delivery || key !== undefined
      ? this.#invoke('SendWith', to.room, event, data, { messageId, delivery, key })
      : this.#invoke('Send', to.room, event, data, messageId);
  }

  async history(room: string, { after, before, limit }: HistoryQuery): Promise<HistoryPage> {
    return pageOf(before === undefined
      ? await this.#invoke('History', room, after ?? null, limit ?? null)
      : await this.#invoke('HistoryBefore', room, before, limit ?? null));
  }

  async inbox(query: HistoryQuery): Promise<HistoryPage> {
    // The hub has no pages of the inbox below an offset.
    if (query.before !== undefined) return this.#context.rest.inbox(query);
    return pageOf(await this.#invoke('Inbox', query.after ?? null, query.limit ?? null));
  }

  presence(room: string): Promise<Presence> {
    return this.#invoke('Presence', room);
  }

  request(event: string, data: unknown, namespace: string | undefined, timeout: number): Promise<unknown> {
    if (asBytes(data)) return this.#context.rest.request(event, data, namespace, timeout);
    return this.#invokeWithin(timeout, 'Request', event, data ?? null, namespace ?? null);
  }

  requestUser(user: string, event: string, data: unknown, timeout: number): Promise<unknown> {
    // The server's answer that nobody answered has to arrive too.
    return this.#invokeWithin(timeout + this.#context.requestTimeout, 'RequestUser', user, event, data ?? null, timeout / 1_000);
  }

  startJob(name: string, data: unknown, options: JobOptions): Promise<StartedJob> {
    return this.#invoke('StartJob', name, data ?? null, options);
  }

  job(id: string): Promise<Job> {
    return this.#invoke('Job', id);
  }

  async cancelJob(id: string): Promise<boolean> {
    return (await this.#invoke<{ cancelled: boolean }>('CancelJob', id)).cancelled;
  }

  keys(user: string): Promise<UserKeys> {
    return this.#invoke('Keys', user);
  }

  putKey(key: string): Promise<UserKeys> {
    return this.#invoke('PutKey', key);
  }

  removeKey(key: string): Promise<UserKeys> {
    return this.#invoke('RemoveKey', key);
  }

  async ping(): Promise<void> {
    await this.#invoke('Answer', NO_REQUEST);
  }

  async #joinAll(rooms: Session['rooms']): Promise<Map<string, JoinOutcome>> {
    const outcomes = await Promise.all([...rooms].map(async ([room, cursor]): Promise<[string, JoinOutcome]> => {
      try {
        return [room, await this.join(room, cursor)];
      } catch (error) {
        return [room, error as Error];
      }
    }));
    return new Map(outcomes);
  }

  /** What no connection of the user had been handed comes before the first answer. What came to the inbox until the session began has been received then, here or elsewhere. */
  async #positionInbox({ inbox, inboxEnd }: Session): Promise<void> {
    if (inbox !== undefined) return;
    await this.ping();
    this.#context.events.inboxPositioned(inboxEnd);
  }

  #build({ inbox, notifications }: Session): HubConnection {
    const { url, events, webSocket } = this.#context;
    const query = new URLSearchParams();
    if (inbox !== undefined) query.set('inbox', inbox);
    query.set('notifications', notifications);
    // Without the negotiation the connection needs no sticky sessions, and is there a round trip earlier.
    const hub = new HubConnectionBuilder()
      .withUrl(`${url}/hub?${query}`, {
        accessTokenFactory: () => this.#token,
        skipNegotiation: true,
        transport: HttpTransportType.WebSockets,
        ...(webSocket && { WebSocket: webSocket }),
      })
      .configureLogging(LogLevel.None)
      .build();
    const on = <T>(name: string, action: (payload: T) => void) => hub.on(name, (payload: T) => {
      if (hub === this.#hub) action(payload);
    });
    on<Message>('message', (message) => events.message(fromWire(message)));
    on<Message>('direct', (message) => events.direct(fromWire(message)));
    on<Message>('notification', (message) => events.notification(fromWire(message)));
    on<PresenceChange>('presence', events.presence);
    on<Gap>('gap', events.gap);
    on<Closing>('closing', events.closing);
    on<AppEvent>('event', events.event);
    on<{ id: number; event: string; data?: unknown; from?: string }>('requested', ({ id, event, data, from }) => events.requested({
      event, data,
      ...(from !== undefined && { from }),
      answer: (answer) => this.#invoke('Answer', id, answer ?? null),
      refuse: (message) => this.#invoke('Refuse', id, message),
    }));
    hub.onclose((error) => {
      if (hub !== this.#hub) return;
      this.#hub = undefined;
      events.closed(error ?? new Error('The connection was closed.'));
    });
    return hub;
  }

  #invoke<T>(method: string, ...args: unknown[]): Promise<T> {
    return this.#invokeWithin(this.#context.requestTimeout, method, ...args);
  }

  async #invokeWithin<T>(timeout: number, method: string, ...args: unknown[]): Promise<T> {
    if (!this.#hub) throw new RealtimeError('not_connected', 'There is no connection.');
    try {
      return await withTimeout(this.#hub.invoke<T>(method, ...args), timeout, method);
    } catch (error) {
      if (error instanceof RealtimeError) throw error;
      const known = errorOfHub(error);
      throw known instanceof RealtimeError ? known : new RealtimeError('connection_lost', 'The connection was lost before the server answered.', { cause: known });
    }
  }
}

function pageOf(page: HistoryPage): HistoryPage {
  return { ...page, messages: page.messages.map(fromWire) };
}
