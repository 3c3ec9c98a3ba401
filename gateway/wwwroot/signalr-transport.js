import { ApiError } from './errors.js';

const SCRIPT = '/lib/signalr.min.js';
const EVENTS = ['message', 'direct', 'notification', 'presence', 'gap', 'closing'];

/** The server was built without the SignalR client. */
export class LibraryMissing extends Error {}

/** Loads the library, which is a plain script that sets `window.signalR`. */
export async function loadSignalR() {
  if (window.signalR) return;
  const script = document.createElement('script');
  script.src = SCRIPT;
  const loaded = new Promise((resolve) => {
    script.onload = () => resolve(true);
    script.onerror = () => resolve(false);
  });
  document.head.append(script);
  if (await loaded) return;
  script.remove();
  // A script element does not tell a missing file from a server that is down; the latter rejects here.
  const { status } = await fetch(SCRIPT, { method: 'HEAD' });
  throw status === 404 ? new LibraryMissing() : new Error('The SignalR client could not be loaded.');
}

/** See Connection for what a transport is. A hub connection is used once: reconnecting is decided in one place, there. */
export class SignalRTransport {
  name = 'signalr';
  label = 'SignalR';
  #events;
  #token;
  #hub = null;

  constructor(events) {
    this.#events = events;
  }

  async start(token) {
    this.#token = token;
    // Without the negotiation round the connection needs no sticky sessions.
    const hub = new signalR.HubConnectionBuilder()
      .withUrl(`/hub${this.#query()}`, {
        accessTokenFactory: () => this.#token,
        skipNegotiation: true,
        transport: signalR.HttpTransportType.WebSockets,
      })
      .configureLogging(signalR.LogLevel.Critical)
      .build();
    for (const name of EVENTS) {
      hub.on(name, (payload) => {
        if (hub === this.#hub) this.#events[name](payload);
      });
    }
    hub.onclose((error) => {
      if (hub === this.#hub) this.#events.closed(error ?? new Error('The connection was closed.'));
    });
    this.#hub = hub;
    await hub.start();
  }

  stop() {
    const hub = this.#hub;
    this.#hub = null;
    hub?.stop();
  }

  join(room, cursor) {
    return this.#invoke('Join', room, cursor);
  }

  leave(room) {
    return this.#invoke('Leave', room);
  }

  send(room, text, messageId) {
    return this.#invoke('Send', room, 'message', text, messageId);
  }

  sendToUser(user, text, messageId) {
    return this.#invoke('SendToUser', user, 'message', text, messageId);
  }

  history(room, before) {
    return before ? this.#invoke('HistoryBefore', room, before, 50) : this.#invoke('History', room, null, 50);
  }

  inbox() {
    return this.#invoke('Inbox', null, 50);
  }

  presence(room) {
    return this.#invoke('Presence', room);
  }

  async renew(token) {
    this.#token = token;
    await this.#invoke('Authenticate', token);
  }

  /** Where the inbox and the notifications go on after a reconnect. */
  #query() {
    const query = new URLSearchParams();
    for (const channel of ['inbox', 'notifications']) {
      const cursor = this.#events.cursor(channel);
      if (cursor) query.set(channel, cursor);
    }
    return query.size ? `?${query}` : '';
  }

  async #invoke(method, ...args) {
    if (!this.#hub) throw new Error('Not connected.');
    try {
      return await this.#hub.invoke(method, ...args);
    } catch (error) {
      throw ApiError.fromHub(error);
    }
  }
}
