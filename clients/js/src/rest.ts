import type { Job, StartedJob } from './api.js';
import { asBytes, fromWire } from './binary.js';
import { errorOfResponse, isUnauthenticated, RealtimeError } from './errors.js';
import type { Ack, Destination, HistoryPage, HistoryQuery, Presence, UserKeys } from './messages.js';
import type { Tokens } from './tokens.js';
import type { JobOptions, Operations, OutgoingMessage } from './transports/transport.js';

type Query = Record<string, string | number | boolean | undefined>;

interface Call {
  query?: Query;
  /** Sent as JSON, or as it is where it is binary data. */
  body?: unknown;
  headers?: Record<string, string>;
  timeout?: number;
}

/** The operations over REST. A token that is refused is renewed once, while there is a connection: before that, renewing it is the connection's matter. */
export class Rest implements Operations {
  readonly #url: string;
  readonly #tokens: Tokens;
  readonly #fetch: typeof fetch;
  readonly #timeout: number;
  readonly #connected: () => boolean;

  constructor({ url, tokens, fetch, timeout, connected }: {
    url: string; tokens: Tokens; fetch: typeof globalThis.fetch; timeout: number; connected: () => boolean;
  }) {
    this.#url = url;
    this.#tokens = tokens;
    this.#fetch = fetch;
    this.#timeout = timeout;
    this.#connected = connected;
  }

  async send(to: Destination, { event, data, messageId, delivery, key }: OutgoingMessage): Promise<Ack> {
    if (asBytes(data)) throw new RealtimeError('invalid_argument', 'Binary data can be sent by SignalR and Socket.IO only, not by REST.');
    const body = { event, data: data ?? null, messageId, ...(delivery && { delivery }), ...(key !== undefined && { key }) };
    return this.#json('POST', ...pathOf(to), { body });
  }

  async history(room: string, query: HistoryQuery): Promise<HistoryPage> {
    return this.#page(...pathOf({ kind: 'room', room }), query);
  }

  async inbox(query: HistoryQuery): Promise<HistoryPage> {
    return this.#page(...pathOf({ kind: 'direct', user: this.#user() }), query);
  }

  async notifications(query: HistoryQuery): Promise<HistoryPage> {
    return this.#page(...pathOf({ kind: 'namespace', namespace: '/' }), query);
  }

  async presence(room: string): Promise<Presence> {
    const [path, query] = roomPath(room, 'presence');
    return this.#json('GET', path, query);
  }

  async request(event: string, data: unknown, namespace: string | undefined, timeout: number): Promise<unknown> {
    return this.#answer(`/api/requests/${encodeURIComponent(event)}`, { namespace }, data, timeout);
  }

  async requestUser(user: string, event: string, data: unknown, timeout: number): Promise<unknown> {
    const path = `/api/users/${encodeURIComponent(user)}/requests/${encodeURIComponent(event)}`;
    // The server's answer that nobody answered has to arrive too.
    return this.#answer(path, { timeout: timeout / 1_000 }, data, timeout + this.#timeout);
  }

  async startJob(name: string, data: unknown, { idempotencyKey, cancelWhenUnwatched }: JobOptions): Promise<StartedJob> {
    return this.#json('POST', `/api/jobs/${encodeURIComponent(name)}`, { cancelWhenUnwatched }, {
      body: data, ...(idempotencyKey !== undefined && { headers: { 'Idempotency-Key': idempotencyKey } }),
    });
  }

  async job(id: string): Promise<Job> {
    return this.#json('GET', `/api/jobs/${encodeURIComponent(id)}`);
  }

  async cancelJob(id: string): Promise<boolean> {
    return (await this.#json<{ cancelled: boolean }>('DELETE', `/api/jobs/${encodeURIComponent(id)}`)).cancelled;
  }

  async keys(user: string): Promise<UserKeys> {
    return this.#json('GET', `/api/users/${encodeURIComponent(user)}/keys`);
  }

  async putKey(key: string): Promise<UserKeys> {
    return this.#json('PUT', `/api/users/${encodeURIComponent(this.#user())}/keys/${encodeURIComponent(key)}`);
  }

  async removeKey(key: string): Promise<UserKeys> {
    return this.#json('DELETE', `/api/users/${encodeURIComponent(this.#user())}/keys/${encodeURIComponent(key)}`);
  }

  async ping(): Promise<void> {
    await (await this.#call('GET', '/health/live')).text();
  }

  /** Whether the gateway can be reached and takes the token; rejects with why not. */
  async probe(): Promise<void> {
    await this.inbox({ limit: 1 });
  }

  async #page(path: string, query: Query, { after, before, limit }: HistoryQuery): Promise<HistoryPage> {
    const page = await this.#json<HistoryPage>('GET', path, { ...query, after, before, limit });
    return { ...page, messages: page.messages.map(fromWire) };
  }

  async #answer(path: string, query: Query, data: unknown, timeout: number): Promise<unknown> {
    const response = await this.#call('POST', path, query, { body: data, timeout });
    if (response.status === 204) return null;
    return response.headers.get('Content-Type')?.startsWith('application/octet-stream') ? new Uint8Array(await response.arrayBuffer()) : response.json();
  }

  async #json<T>(method: string, path: string, query: Query = {}, call: Call = {}): Promise<T> {
    return (await this.#call(method, path, query, call)).json() as Promise<T>;
  }

  async #call(method: string, path: string, query: Query = {}, call: Call = {}): Promise<Response> {
    const token = await this.#tokens.get();
    try {
      return await this.#callWith(token, method, path, query, call);
    } catch (error) {
      if (!isUnauthenticated(error) || !this.#tokens.renewable || !this.#connected()) throw error;
      // Somebody else may have renewed it meanwhile.
      return this.#callWith(await this.#tokens.get(this.#tokens.current === token ? 'refused' : undefined), method, path, query, call);
    }
  }

  async #callWith(token: string, method: string, path: string, query: Query, { body, headers, timeout = this.#timeout }: Call): Promise<Response> {
    const given = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
    const parameters = given.length > 0 ? `?${new URLSearchParams(given)}` : '';
    const bytes = asBytes(body);
    const type = bytes ? 'application/octet-stream' : 'application/json';
    let response: Response;
    try {
      response = await this.#fetch(`${this.#url}${path}${parameters}`, {
        method,
        headers: { Authorization: `Bearer ${token}`, ...(body !== undefined && { 'Content-Type': type }), ...headers },
        ...(body !== undefined && { body: bytes ? (bytes as BufferSource) : JSON.stringify(body) }),
        cache: 'no-store',
        signal: AbortSignal.timeout(timeout),
      });
    } catch (error) {
      if (error instanceof DOMException && error.name === 'TimeoutError') {
        throw new RealtimeError('timeout', `${method} ${path} took longer than ${timeout} ms.`, { cause: error });
      }
      throw error;
    }
    if (!response.ok) throw await errorOfResponse(response);
    return response;
  }

  #user(): string {
    if (this.#tokens.user === undefined) throw new RealtimeError('not_connected', 'The user is not known before there is a token.');
    return this.#tokens.user;
  }
}

function pathOf(to: Destination): [string, Query] {
  switch (to.kind) {
    case 'room':
      return roomPath(to.room, 'messages');
    case 'direct':
      return [`/api/users/${encodeURIComponent(to.user)}/messages`, {}];
    case 'namespace':
      return ['/api/namespaces/messages', { namespace: to.namespace }];
  }
}

/** `/admin:alerts` is the room `alerts` of the namespace `/admin`. */
function roomPath(room: string, leaf: string): [string, Query] {
  const [, namespace, name] = /^(\/[^:]*):(.*)$/s.exec(room) ?? [undefined, undefined, room];
  return [`/api/rooms/${encodeURIComponent(name!)}/${leaf}`, { namespace }];
}
