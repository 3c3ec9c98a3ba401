import type { BackoffOptions, ConnectionState, TokenRequest } from './api.js';
import { Backoff } from './backoff.js';
import { Deferred } from './deferred.js';
import { isPermanent, isUnauthenticated, RealtimeError } from './errors.js';
import type { Closing } from './messages.js';
import { withTimeout } from './timeout.js';
import type { Tokens } from './tokens.js';
import { TransportBlocked } from './transports/blocked.js';
import type { JoinOutcome, Session, Transport, TransportContext, TransportEvents, TransportFactory } from './transports/transport.js';

// Milliseconds. A connection that lived shorter is not replaced at once, whatever it said when it ended, nor does it count as a success.
const SETTLED = 5_000;
// One failure may be chance: the server was starting.
const BLOCKED_ATTEMPTS = 2;
const LONGEST_TIMER = 86_400_000; // One of more than 24.8 days would fire at once.
const SOONEST_RENEWAL = 1_000;
const CHECK_TIMEOUT = 5_000;

export interface ConnectionHooks {
  /** What a connection is to begin with. */
  session(): Promise<Omit<Session, 'token' | 'user'>>;
  /** It is up; what follows is `connected`. */
  started(outcomes: Map<string, JoinOutcome>): void;
  /** It was up and is not any more. */
  lost(): void;
  /** `state`, or what goes with it, has changed. */
  changed(stateChanged: boolean): void;
  closing(closing: Closing): void;
}

/** Keeps one transport connected: when to connect, by which transport, with which token, and when to give up. */
export class Connection {
  readonly #factories: readonly TransportFactory[];
  readonly #context: Omit<TransportContext, 'events'>;
  readonly #events: Omit<TransportEvents, 'closed' | 'closing'>;
  readonly #tokens: Tokens;
  readonly #hooks: ConnectionHooks;
  readonly #backoff: Backoff;
  readonly #online = () => this.#networkIsBack();

  #state: ConnectionState = 'connecting';
  #transport: Transport | undefined;
  /** Started, or being started. */
  #current: Transport | undefined;
  /** An attempt whose number is not this one has been overtaken. */
  #run = 0;
  #choice = 0;
  #blocked = 0;
  /** The chosen transport has worked: it is not blocked. */
  #proven = false;
  /** The token was refused and renewed once. */
  #renewed = false;
  /** Only the application can help. */
  #terminal = false;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #renewTimer: ReturnType<typeof setTimeout> | undefined;
  #waiting: Deferred<void> | undefined;

  retryAt: number | undefined;
  error: Error | undefined;
  connectedAt: Date | undefined;
  reconnects = 0;

  constructor(options: {
    factories: readonly TransportFactory[];
    context: Omit<TransportContext, 'events'>;
    events: Omit<TransportEvents, 'closed' | 'closing'>;
    tokens: Tokens;
    backoff: Partial<BackoffOptions> | undefined;
    hooks: ConnectionHooks;
  }) {
    this.#factories = options.factories;
    this.#context = options.context;
    this.#events = options.events;
    this.#tokens = options.tokens;
    this.#hooks = options.hooks;
    this.#backoff = new Backoff(options.backoff);
    globalThis.addEventListener?.('online', this.#online);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Undefined while not connected. */
  get transport(): Transport | undefined {
    return this.#transport;
  }

  get transportName(): string {
    return this.#factories[this.#choice]!.name;
  }

  get attempt(): number {
    return this.#backoff.attempts;
  }

  /** Connects now. */
  open(): void {
    if (this.#state === 'closed') throw new RealtimeError('closed', 'The client is closed.');
    this.#backoff.reset();
    this.#terminal = false;
    this.#renewed = false;
    // The network may be another one, which lets through what the former did not.
    if (this.#choice > 0) this.#proven = false;
    this.#choice = 0;
    this.#blocked = 0;
    void this.#attempt();
  }

  close(): void {
    if (this.#state === 'closed') return;
    globalThis.removeEventListener?.('online', this.#online);
    this.#tearDown();
    this.error = new RealtimeError('closed', 'The client is closed.');
    this.#set('closed');
  }

  /** Resolves when connected; rejects when that has failed. */
  connected(): Promise<void> {
    if (this.#state === 'connected') return Promise.resolve();
    if (this.#state === 'failed' || this.#state === 'closed') return Promise.reject(this.error);
    this.#waiting ??= new Deferred();
    return this.#waiting.promise;
  }

  /** The transport, once there is one; rejects where that takes too long. */
  async whenConnected(timeout: number): Promise<Transport> {
    if (!this.#transport) {
      await withTimeout(this.connected(), timeout, 'Connecting').catch((error: unknown) => {
        if (error instanceof RealtimeError && error.code === 'timeout') {
          throw new RealtimeError('not_connected', 'There is no connection.', { cause: this.error });
        }
        throw error;
      });
    }
    if (!this.#transport) throw new RealtimeError('not_connected', 'There is no connection.');
    return this.#transport;
  }

  #tearDown(): void {
    this.#run++;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#renewTimer);
    this.retryAt = undefined;
    const wasUp = this.#transport !== undefined;
    const current = this.#current;
    this.#transport = undefined;
    this.#current = undefined;
    current?.stop();
    if (wasUp) this.#hooks.lost();
  }

  async #attempt(refresh?: TokenRequest['reason']): Promise<void> {
    this.#tearDown();
    const run = this.#run;
    this.#set(this.connectedAt || this.#backoff.attempts > 0 ? 'reconnecting' : 'connecting');
    let outcomes: Map<string, JoinOutcome>;
    try {
      const token = await withTimeout(this.#tokens.get(refresh), this.#context.connectTimeout, 'Fetching a token');
      if (run !== this.#run) return;
      const transport = await this.#factories[this.#choice]!.create({ ...this.#context, events: this.#eventsOf(run) });
      if (run !== this.#run) return;
      this.#current = transport;
      const session = { ...(await this.#hooks.session()), token, user: this.#tokens.user! };
      if (run !== this.#run) return;
      outcomes = await withTimeout(transport.start(session), this.#context.connectTimeout, 'Connecting');
      if (run !== this.#run) return;
      this.#transport = transport;
    } catch (error) {
      if (run === this.#run) this.#attemptFailed(error);
      return;
    }
    if (this.connectedAt) this.reconnects++;
    this.connectedAt = new Date();
    this.error = undefined;
    this.#renewed = false;
    this.#proven = true;
    this.#scheduleRenewal();
    this.#hooks.started(outcomes);
    if (run === this.#run) this.#set('connected');
  }

  #eventsOf(run: number): TransportEvents {
    const mine = <A extends unknown[]>(action: (...args: A) => void) => (...args: A) => {
      if (run === this.#run) action(...args);
    };
    const events = this.#events;
    return {
      message: mine(events.message),
      direct: mine(events.direct),
      notification: mine(events.notification),
      presence: mine(events.presence),
      gap: mine(events.gap),
      inboxPositioned: mine(events.inboxPositioned),
      event: mine(events.event),
      requested: mine(events.requested),
      closing: mine((closing) => this.#closing(closing)),
      closed: mine((error) => {
        // Before that `start` rejects, which is enough.
        if (this.#transport) this.#lost(error);
      }),
    };
  }

  #closing(closing: Closing): void {
    this.#hooks.closing(closing);
    const error = new RealtimeError(closing.reason, closing.message, { permanent: !closing.reconnect });
    if (!closing.reconnect) return this.#fail(error);
    if (closing.reason === 'token_expired') return this.#lost(error, { atOnce: true, refresh: 'expired' });
    this.#lost(error, { atOnce: closing.reason === 'shutting_down' });
  }

  #attemptFailed(error: unknown): void {
    if (error instanceof TransportBlocked && !this.#proven) {
      const another = this.#choice + 1 < this.#factories.length;
      if (another && ++this.#blocked < BLOCKED_ATTEMPTS) return void this.#attempt();
      if (another) {
        this.#choice++;
        this.#blocked = 0;
        return void this.#attempt();
      }
    }
    this.#lost(error);
  }

  #lost(cause: unknown, { atOnce = false, refresh }: { atOnce?: boolean; refresh?: TokenRequest['reason'] } = {}): void {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    const settled = this.#transport !== undefined && Date.now() - this.connectedAt!.getTime() >= SETTLED;
    this.#tearDown();
    this.error = error;
    if (settled) this.#backoff.reset();
    if (isUnauthenticated(error)) {
      if (!this.#tokens.renewable || this.#renewed || isPermanent(error)) return this.#fail(error);
      this.#renewed = true;
      return void this.#attempt('refused');
    }
    if (refresh && !this.#tokens.renewable) return this.#fail(error);
    if (isPermanent(error)) return this.#fail(error);
    if (atOnce && settled) return void this.#attempt(refresh);
    const delay = this.#backoff.next();
    if (delay === null) return this.#fail(error, false);
    this.retryAt = Date.now() + delay;
    this.#retryTimer = setTimeout(() => void this.#attempt(refresh), delay);
    this.#set('reconnecting');
  }

  #fail(error: Error, terminal = true): void {
    this.#tearDown();
    this.error = error;
    this.#terminal = terminal;
    this.#set('failed');
  }

  #set(state: ConnectionState): void {
    const changed = state !== this.#state;
    this.#state = state;
    this.#hooks.changed(changed);
    if (state === 'connected') this.#waiting?.resolve();
    else if (state === 'failed' || state === 'closed') this.#waiting?.reject(this.error);
    else return;
    this.#waiting = undefined;
  }

  #networkIsBack(): void {
    if (this.#state === 'closed' || this.#terminal) return;
    const transport = this.#transport;
    if (!transport) return this.open();
    // What looks connected may have died with the former network; that shows only when something is sent.
    withTimeout(transport.ping(), CHECK_TIMEOUT, 'An answer').catch((error: unknown) => {
      if (transport === this.#transport) this.#lost(error);
    });
  }

  /** With a fifth of the token's life left. */
  #scheduleRenewal(): void {
    if (!this.#tokens.renewable || this.#tokens.expiresAt === Infinity) return;
    const remaining = this.#tokens.expiresAt - Date.now();
    const run = this.#run;
    this.#renewTimer = setTimeout(() => void this.#renew(run, remaining > LONGEST_TIMER), Math.min(LONGEST_TIMER, Math.max(SOONEST_RENEWAL, remaining * 0.8)));
  }

  async #renew(run: number, tooEarly: boolean): Promise<void> {
    if (tooEarly) return this.#scheduleRenewal();
    const joins = this.#tokens.joins;
    try {
      const token = await this.#tokens.get('expiring');
      if (run !== this.#run) return;
      // The server takes the connection out of rooms that the new token does not allow, and does not say so. Joining them again does.
      if (this.#tokens.joins !== joins) return void this.#attempt();
      await this.#transport!.renew(token);
    } catch (error) {
      if (run === this.#run && isUnauthenticated(error)) return this.#lost(error);
      // The next round tries again. When the token runs out first, the server closes and a new connection fetches one.
    }
    if (run === this.#run) this.#scheduleRenewal();
  }
}
