import { Backoff } from './backoff.js';
import { isPermanent } from './errors.js';
import { TokenRequired } from './tokens.js';

// A connection that lived shorter than this is not replaced at once, whatever it said when it ended.
const SETTLED = 5_000;

/**
 * Keeps one transport connected. A transport has
 *   name, label
 *   start(token, rooms)      resolves when connected; may be called again after it was lost
 *   stop()
 *   join(room, cursor)       resolves with {cursor?, recovered} when everything after the cursor was delivered
 *   leave(room)
 *   send(room, text, messageId), sendToUser(user, text, messageId)
 *   history(room, before?), inbox(), presence(room)
 *   renew(token)
 * and reports message, direct, notification, presence, gap and closing as in docs/api.md, besides
 *   closed(error)            it is lost and must be started again
 *   interrupted(), resumed() it is lost and comes back by itself
 */
export class Connection {
  #createTransport;
  #tokens;
  #on;
  #backoff = new Backoff();
  #transport = null;
  #run = 0; // An attempt whose number is no longer this one has been overtaken.
  #started = false; // The transport is up, though the rooms may not be joined yet.
  #connectedAt = 0;
  #retryTimer = null;
  #renewTimer = null;

  /**
   * `on`: state(info), rooms() to connect with, cursor(channel), ready(transport) when it is up, resumed() when it came
   * back by itself, and the channel events a transport reports.
   */
  constructor({ createTransport, tokens, on }) {
    this.#createTransport = createTransport;
    this.#tokens = tokens;
    this.#on = on;
    this.state = 'connecting';
  }

  get transport() {
    return this.#transport;
  }

  /** Connects now: at first, by the retry button, or when the network is back. */
  open() {
    this.#backoff.reset();
    return this.#attempt();
  }

  /** The next transport starts from the cursors, so nothing is lost between the two. */
  async replaceTransport() {
    this.#stop();
    this.#transport = null;
    await this.open();
  }

  close() {
    this.#stop();
  }

  #stop() {
    this.#run++;
    this.#started = false;
    this.#connectedAt = 0;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#renewTimer);
    this.#transport?.stop();
  }

  async #attempt(freshToken = false) {
    this.#stop();
    const run = this.#run;
    this.#report(this.#backoff.attempts ? 'reconnecting' : 'connecting');
    try {
      const token = await this.#tokens.get(freshToken);
      if (run !== this.#run) return;
      const transport = this.#transport ?? await this.#createTransport(this.#events());
      if (run !== this.#run) return;
      this.#transport = transport;
      await transport.start(token, this.#on.rooms());
      if (run !== this.#run) return;
      this.#started = true;
      await this.#on.ready(transport);
    } catch (error) {
      if (run === this.#run) this.#lost(error);
      return;
    }
    if (run !== this.#run) return;
    this.#connectedAt = Date.now();
    this.#backoff.reset();
    this.#scheduleRenewal();
    this.#report('connected');
  }

  #events() {
    // Before that, start() rejects, which is enough.
    const whenStarted = (action) => (...args) => {
      if (this.#started) action(...args);
    };
    return {
      ...this.#on,
      closing: (event) => this.#closing(event),
      closed: whenStarted((error) => this.#lost(error)),
      interrupted: whenStarted(() => this.#report('reconnecting')),
      resumed: whenStarted(() => {
        this.#report('connected');
        this.#on.resumed();
      }),
    };
  }

  #closing({ reason, reconnect, message }) {
    if (reconnect === false) return this.#fail(message ?? 'The server ended the connection.');
    const settled = Date.now() - this.#connectedAt > SETTLED;
    const atOnce = this.#connectedAt && settled && reason !== 'slow_consumer';
    this.#lost(new Error(message ?? reason), atOnce);
  }

  #lost(error, atOnce = false) {
    this.#stop();
    if (error instanceof TokenRequired || (error.code === 'unauthenticated' && !this.#tokens.renewable)) {
      return this.#fail(error.message || 'The server hands out no guest tokens any more. Sign in again.');
    }
    if (isPermanent(error)) return this.#fail(error.message);
    const delay = atOnce ? 0 : this.#backoff.next();
    if (delay === null) return this.#fail('The server cannot be reached.');
    this.#countDown(Date.now() + delay);
  }

  #countDown(until) {
    const remaining = until - Date.now();
    if (remaining <= 0) return this.#attempt(true);
    this.#report('reconnecting', { seconds: Math.ceil(remaining / 1000) });
    this.#retryTimer = setTimeout(() => this.#countDown(until), Math.min(remaining, 1000));
  }

  #fail(message) {
    this.#stop();
    this.#report('failed', { message });
  }

  #report(state, details = {}) {
    this.state = state;
    this.#on.state({ state, transport: this.#transport, ...details });
  }

  /** With a fifth of its life left, and at least every day: a longer timer than 24.8 days would fire at once. */
  #scheduleRenewal() {
    if (!this.#tokens.renewable) return;
    const remaining = this.#tokens.expiresAt - Date.now();
    const run = this.#run;
    this.#renewTimer = setTimeout(async () => {
      try {
        const token = await this.#tokens.get(true);
        if (run === this.#run) await this.#transport.renew(token);
      } catch {
        // The next round tries again; when the token runs out first, the server closes and a new connection fetches one.
      }
      if (run === this.#run) this.#scheduleRenewal();
    }, Math.min(86_400_000, Math.max(2_000, remaining * 0.8)));
  }
}
