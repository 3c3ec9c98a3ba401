import { isPermanent } from './errors.js';
import { Rest } from './rest.js';
import { roomChannel } from './store.js';

const OPEN_TIMEOUT = 20_000;
const EVENTS = ['message', 'direct', 'notification', 'presence', 'gap', 'closing'];

/**
 * Server-Sent Events to receive and REST to send. See Connection for what a transport is.
 *
 * The id of an event is the cursor of all the stream's channels, and the browser sends it when it reconnects. It cannot
 * speak for a room joined since, nor is there one before the first event: such rooms catch up by reading the history
 * after their own cursor, and what the stream delivers meanwhile is held back so that the order stays.
 */
export class SseTransport {
  name = 'sse';
  label = 'SSE';
  #events;
  #user;
  #token;
  #rest = new Rest(() => this.#token);
  #source = null;
  #opening = null; // A promise with its resolvers, while the stream is being opened.
  #rooms = new Set();
  #refused = new Map(); // Room → why; known at start, reported by join.
  #synced = new Set(); // Rooms whose messages are passed on as they come.
  #held = new Map(); // Room → what the stream brought while the room was catching up.
  #lastEventId = '';
  #covered = new Set(); // Rooms that `#lastEventId` speaks for.
  #interrupted = false;
  #refusals = 0;

  constructor(events, user) {
    this.#events = events;
    this.#user = user;
  }

  async start(token, rooms) {
    this.#token = token;
    this.#rooms.clear();
    this.#refused.clear();
    await Promise.all(rooms.map(async (room) => {
      try {
        await this.#admit(room);
      } catch (error) {
        if (!isPermanent(error)) throw error;
        this.#refused.set(room, error);
      }
    }));
    await this.#open();
  }

  stop() {
    this.#source?.close();
    this.#source = null;
    this.#opening?.reject(new Error('The connection was closed.'));
    this.#opening = null;
  }

  async join(room) {
    const refusal = this.#refused.get(room);
    this.#refused.delete(room);
    if (refusal) throw refusal;
    if (!this.#rooms.has(room)) {
      await this.#admit(room);
      await this.#open();
    }
    return { recovered: true }; // Otherwise a gap was reported.
  }

  leave(room) {
    this.#rooms.delete(room);
    this.#covered.delete(room);
    return this.#open();
  }

  send(room, text, messageId) {
    return this.#rest.send(room, text, messageId);
  }

  sendToUser(user, text, messageId) {
    return this.#rest.sendToUser(user, text, messageId);
  }

  history(room, before) {
    return this.#rest.history(room, { before });
  }

  inbox() {
    return this.#rest.inbox(this.#user);
  }

  presence(room) {
    return this.#rest.presence(room);
  }

  renew(token) {
    this.#token = token;
    return this.#open();
  }

  /** An EventSource does not tell why it was refused, and one forbidden room refuses it whole: ask about the room first. */
  async #admit(room) {
    try {
      await this.#rest.presence(room);
    } catch (error) {
      if (error.code !== 'not_a_member') throw error;
    }
    this.#rooms.add(room);
  }

  /** (Re)opens the stream for the present rooms and token; resolves when all rooms have caught up. */
  #open() {
    this.#source?.close();
    this.#opening ??= withResolvers();
    const source = new EventSource(this.#url());
    this.#source = source;
    this.#interrupted = false;
    this.#unsync();

    for (const name of EVENTS) {
      source.addEventListener(name, (event) => {
        if (source === this.#source) this.#receive(name, event);
      });
    }
    source.onopen = () => this.#opened(source);
    source.onerror = () => {
      if (source === this.#source) this.#failed(source);
    };
    // An EventSource waits for an answer for ever.
    setTimeout(() => {
      if (source === this.#source && this.#opening) this.#lost(new Error('The event stream did not open.'));
    }, OPEN_TIMEOUT);
    return this.#opening.promise;
  }

  #url() {
    const query = new URLSearchParams({ user: '1', access_token: this.#token });
    for (const room of this.#rooms) query.append('room', room);
    if (this.#lastEventId) query.set('lastEventId', this.#lastEventId);
    return `/events?${query}`;
  }

  async #opened(source) {
    const behind = [...this.#rooms].filter((room) => !this.#synced.has(room));
    try {
      await Promise.all(behind.map((room) => this.#catchUp(room, source)));
    } catch (error) {
      if (source === this.#source) this.#lost(error);
      return;
    }
    if (source !== this.#source) return;
    this.#refusals = 0;
    this.#opening?.resolve();
    this.#opening = null;
    if (this.#interrupted) this.#events.resumed();
    this.#interrupted = false;
  }

  async #catchUp(room, source) {
    for (let after = this.#events.cursor(roomChannel(room)); after;) {
      const page = await this.#rest.history(room, { after, limit: 200 }).catch((error) => {
        if (error.code !== 'invalid_cursor') throw error;
        return { messages: [], recovered: false };
      });
      if (source !== this.#source) return;
      if (page.recovered === false) this.#events.gap({ room });
      page.messages.forEach((message) => this.#events.message(message));
      after = page.more && page.cursor !== after ? page.cursor : null;
    }
    this.#synced.add(room);
    this.#held.get(room)?.forEach((message) => this.#events.message(message));
    this.#held.delete(room);
  }

  #receive(name, event) {
    const payload = JSON.parse(event.data);
    if (event.lastEventId) {
      this.#lastEventId = event.lastEventId;
      this.#covered = new Set(this.#synced);
    }
    if (name === 'message' && !this.#synced.has(payload.room)) {
      this.#held.set(payload.room, [...(this.#held.get(payload.room) ?? []), payload]);
    } else {
      this.#events[name](payload);
    }
  }

  #failed(source) {
    const closed = source.readyState === EventSource.CLOSED;
    if (!closed && !this.#opening && !this.#interrupted) {
      // The browser tries again by itself, once; a longer outage is for Connection, with its growing delays.
      this.#interrupted = true;
      this.#unsync();
      this.#events.interrupted();
      return;
    }
    // Refused again and again: perhaps for the id, so go on without it.
    if (closed && ++this.#refusals >= 2) {
      this.#lastEventId = '';
      this.#covered.clear();
    }
    this.#lost(new Error('The event stream was closed.'));
  }

  #lost(error) {
    this.#source.close();
    this.#source = null;
    this.#opening?.reject(error);
    this.#opening = null;
    this.#events.closed(error);
  }

  /** After a reconnect only the rooms of the last event id go on where they were. */
  #unsync() {
    this.#synced = new Set([...this.#rooms].filter((room) => this.#covered.has(room)));
    this.#held.clear();
  }
}

function withResolvers() {
  const resolvers = {};
  resolvers.promise = new Promise((resolve, reject) => Object.assign(resolvers, { resolve, reject }));
  resolvers.promise.catch(() => {}); // Whoever waits sees the failure; stop() may have nobody waiting.
  return resolvers;
}
