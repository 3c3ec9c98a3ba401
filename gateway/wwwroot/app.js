import { Connection } from './connection.js';
import { ApiError, isPermanent } from './errors.js';
import { LibraryMissing, SignalRTransport, loadSignalR } from './signalr-transport.js';
import { SseTransport } from './sse-transport.js';
import { INBOX, NOTIFICATIONS, Store, roomChannel } from './store.js';
import { Timeline } from './timeline.js';
import { TokenRequired, Tokens } from './tokens.js';
import { View } from './view.js';

const SEND_ATTEMPTS = 5;
const ENTRIES_KEPT = 1_000;

const view = new View();
const parameters = new URLSearchParams(location.search);

/** One signed-in user: their conversations, and what the connection brings into them. */
class Chat {
  #tokens;
  #store;
  #connection;
  #conversations = new Map(); // `room:general`, `user:bob`
  #active = null;
  #draining = false;
  #loadingOlder = false;
  #transportName = parameters.get('transport') ?? localStorage.getItem('transport') ?? 'signalr';

  constructor(tokens) {
    this.#tokens = tokens;
    this.#store = new Store(tokens.user);
    this.#connection = new Connection({
      tokens,
      createTransport: (events) => this.#createTransport(events),
      on: {
        state: (info) => this.#stateChanged(info),
        rooms: () => this.#store.rooms,
        cursor: (channel) => this.#store.cursor(channel),
        ready: () => this.#ready(),
        resumed: () => this.#resumed(),
        message: (message) => this.#message(message),
        direct: (message) => this.#direct(message),
        notification: (message) => this.#notification(message),
        presence: (change) => this.#presence(change),
        gap: (gap) => this.#gap(gap),
      },
    });
  }

  start(rooms) {
    view.showChat(this.#tokens.user, this.#transportName);
    view.on = {
      open: (id) => this.open(id),
      join: (room) => this.join(room),
      leave: (id) => this.#leave(id),
      openDirect: (user) => this.open(this.#directWith(user).id),
      send: (text) => this.#send(text),
      retryMessage: (entry) => this.#retry(entry),
      discardMessage: (entry) => this.#discard(entry),
      loadOlder: () => this.#loadOlder(),
      retryConnection: () => this.#connection.open(),
      chooseTransport: (name) => this.#chooseTransport(name),
      read: () => this.#markRead(this.#active),
    };
    for (const room of this.#store.rooms) this.#room(room);
    for (const { to, ...message } of this.#store.sent) this.#conversation(to).timeline.add(message, true);
    for (const { to, text, messageId, failed } of this.#store.outbox) {
      const entry = this.#conversation(to).timeline.addPending({ from: this.#tokens.user, data: text, messageId });
      if (failed) entry.state = 'failed';
    }
    for (const room of rooms) this.join(room);
    if (!this.#active) {
      const first = this.#conversations.get(this.#store.active) ?? [...this.#conversations.values()][0];
      this.open(first?.id ?? null);
    }
    addEventListener('online', () => {
      if (this.#connection.state !== 'connected') this.#connection.open();
    });
    this.#connection.open();
  }

  stop() {
    this.#connection.close();
  }

  // Conversations

  open(id) {
    this.#active = this.#conversations.get(id) ?? null;
    this.#store.active = id;
    view.open(this.#active);
    this.#markRead(this.#active);
  }

  async join(room) {
    const known = this.#store.rooms.includes(room);
    this.#store.addRoom(room);
    const conversation = this.#room(room);
    this.open(conversation.id);
    if (known || this.#connection.state !== 'connected') return; // The connection joins all rooms once it is up.
    try {
      await this.#joinRoom(conversation);
    } catch (error) {
      if (!error.code) {
        // Not the server's answer but a failure on the way: a new connection joins this room too.
        if (this.#connection.state === 'connected') this.#connection.open();
        return;
      }
      this.#remove(conversation);
      view.toast(`“${room}” could not be joined: ${error.message}`, 'error');
    }
  }

  #leave(id) {
    const conversation = this.#conversations.get(id);
    this.#remove(conversation);
    if (this.#connection.state === 'connected') {
      // Should this fail, the connection is lost too, and the next one does not join the room.
      this.#connection.transport.leave(conversation.name).catch(() => {});
    }
  }

  #remove(conversation) {
    this.#conversations.delete(conversation.id);
    this.#store.removeRoom(conversation.name);
    for (const item of this.#store.outbox) {
      if (item.to === conversation.id) this.#store.dequeue(item.messageId);
    }
    if (this.#active === conversation) this.open([...this.#conversations.keys()][0] ?? null);
    this.#listChanged();
  }

  #room(name) {
    return this.#conversation(roomChannel(name));
  }

  #directWith(user) {
    return this.#conversation(`user:${user}`);
  }

  #conversation(id) {
    let conversation = this.#conversations.get(id);
    if (!conversation) {
      const direct = id.startsWith('user:');
      conversation = {
        id,
        direct,
        name: id.slice(5), // Both prefixes have five characters.
        timeline: new Timeline({ byTime: direct }),
        members: new Map(),
        memberCount: null,
        unread: 0,
        loaded: false,
        canLoadOlder: false,
      };
      this.#conversations.set(id, conversation);
      this.#listChanged();
    }
    return conversation;
  }

  #listChanged() {
    view.list(this.#conversations);
  }

  #markRead(conversation) {
    if (conversation) conversation.unread = 0;
    this.#listChanged();
  }

  #countUnread(conversation) {
    if (conversation === this.#active && document.visibilityState === 'visible') return;
    conversation.unread++;
    this.#listChanged();
  }

  // Connection

  async #createTransport(events) {
    if (this.#transportName === 'signalr') {
      try {
        await loadSignalR();
        return new SignalRTransport(events);
      } catch (error) {
        if (!(error instanceof LibraryMissing)) throw error;
        view.signalRMissing();
      }
    }
    return new SseTransport(events, this.#tokens.user);
  }

  #chooseTransport(name) {
    this.#transportName = name;
    localStorage.setItem('transport', name);
    // A choice in the address would win over this one at the next reload.
    const url = new URL(location.href);
    url.searchParams.delete('transport');
    history.replaceState(null, '', url);
    this.#connection.replaceTransport();
  }

  #stateChanged(info) {
    view.connection(info);
    if (info.state === 'connected') this.#drain();
  }

  async #ready() {
    const rooms = this.#store.rooms.map((room) => this.#joinRoom(this.#room(room)).catch((error) => {
      if (!isPermanent(error)) throw error;
      this.#remove(this.#room(room));
      view.toast(`“${room}” could not be joined: ${error.message}`, 'error');
    }));
    await Promise.all([...rooms, this.#loadInbox()]);
  }

  #resumed() {
    for (const room of this.#store.rooms) this.#loadPresence(this.#room(room));
    this.#loadInbox().catch(() => {});
  }

  async #joinRoom(conversation) {
    const channel = roomChannel(conversation.name);
    const cursor = this.#store.cursor(channel);
    const end = conversation.timeline.end();
    let result;
    try {
      result = await this.#connection.transport.join(conversation.name, cursor);
    } catch (error) {
      if (error.code !== 'invalid_cursor' || !cursor) throw error;
      this.#store.forget(channel);
      this.#addGap(conversation, end);
      return this.#joinRoom(conversation);
    }
    if (result.cursor) this.#store.advance(channel, result.cursor);
    const incomplete = cursor && result.recovered === false;
    if (incomplete) this.#addGap(conversation, end);
    await Promise.all([
      !conversation.loaded || incomplete ? this.#loadNewest(conversation) : null,
      this.#loadPresence(conversation),
    ]);
  }

  // History

  async #loadNewest(conversation) {
    const page = await this.#connection.transport.history(conversation.name);
    const channel = roomChannel(conversation.name);
    // SSE does not say where a room that was just joined stands.
    if (page.cursor && !this.#store.cursor(channel)) this.#store.advance(channel, page.cursor);
    this.#addPage(conversation, page);
    conversation.loaded = true;
    view.historyChanged(conversation);
  }

  async #loadOlder() {
    const conversation = this.#active;
    const before = conversation?.timeline.oldestOffset;
    if (!before || this.#loadingOlder || this.#connection.state !== 'connected') return;
    this.#loadingOlder = true;
    try {
      this.#addPage(conversation, await this.#connection.transport.history(conversation.name, before));
    } catch (error) {
      view.toast(`Older messages could not be loaded: ${error.message}`, 'error');
    } finally {
      this.#loadingOlder = false;
    }
    view.historyChanged(conversation);
  }

  #addPage(conversation, page) {
    view.keepPosition(() => {
      for (const message of page.messages) this.#add(conversation, message);
    });
    conversation.canLoadOlder = page.messages.length > 0 && conversation.timeline.oldestOffset > 1;
  }

  async #loadInbox() {
    const page = await this.#connection.transport.inbox();
    for (const message of page.messages) this.#add(this.#directWith(message.from ?? 'server'), message);
  }

  // What arrives

  #message(message) {
    const conversation = this.#conversations.get(roomChannel(message.room));
    if (!conversation) return;
    if (message.cursor) {
      const channel = roomChannel(message.room);
      if (this.#store.isOtherEpoch(channel, message.cursor)) this.#addGap(conversation);
      if (!this.#store.advance(channel, message.cursor)) return;
    }
    // Typing indicators and the like of other applications.
    if (!message.offset && message.event !== 'message') return;
    this.#add(conversation, message);
    if (message.from !== this.#tokens.user) this.#countUnread(conversation);
    if (conversation.timeline.entries.length > ENTRIES_KEPT && view.isAtEnd(conversation)) {
      view.removed(conversation, conversation.timeline.trim(ENTRIES_KEPT / 2));
      conversation.canLoadOlder = true;
      view.historyChanged(conversation);
    }
  }

  #direct(message) {
    if (message.cursor && !this.#store.advance(INBOX, message.cursor)) return;
    const conversation = this.#directWith(message.from ?? 'server');
    this.#add(conversation, message);
    this.#countUnread(conversation);
  }

  #notification(message) {
    const ofDefault = (message.namespace ?? '/') === '/';
    if (ofDefault && message.cursor && !this.#store.advance(NOTIFICATIONS, message.cursor)) return;
    view.notify(message);
  }

  #presence({ room, joined = [], left = [], members }) {
    const conversation = this.#conversations.get(roomChannel(room));
    if (!conversation) return;
    for (const user of left) conversation.members.delete(user);
    for (const user of joined) conversation.members.set(user, conversation.members.get(user) ?? 1);
    conversation.memberCount = members ?? conversation.members.size;
    view.members(conversation);
  }

  async #loadPresence(conversation) {
    try {
      const { members, list } = await this.#connection.transport.presence(conversation.name);
      conversation.members = new Map(list.map(({ user, connections }) => [user, connections]));
      conversation.memberCount = members;
      view.members(conversation);
    } catch {
      // The messages matter more than the list of members, which the next presence event continues.
    }
  }

  #gap({ room }) {
    const conversation = room && this.#conversations.get(roomChannel(room));
    if (conversation) {
      this.#addGap(conversation);
      this.#loadNewest(conversation).catch(() => {});
    } else if (!room) {
      view.toast('Some direct messages or notifications may be missing.', 'error');
      this.#loadInbox().catch(() => {});
    }
  }

  #addGap(conversation, place) {
    const entry = conversation.timeline.addGap(place);
    if (entry) view.place(conversation, entry);
  }

  #add(conversation, message) {
    const mine = message.from === this.#tokens.user;
    if (mine && message.messageId) this.#store.dequeue(message.messageId);
    const entry = conversation.timeline.add(message, mine);
    if (entry) view.place(conversation, entry);
  }

  // Sending

  #send(text) {
    const conversation = this.#active;
    if (!conversation) return;
    const messageId = newMessageId();
    this.#store.enqueue({ to: conversation.id, text, messageId });
    view.place(conversation, conversation.timeline.addPending({ from: this.#tokens.user, data: text, messageId }));
    this.#drain();
  }

  /** One message at a time, so that they are kept in the order they were written, also over REST. */
  async #drain() {
    if (this.#draining) return;
    this.#draining = true;
    let item;
    while (this.#connection.state === 'connected' && (item = this.#store.outbox.find(({ failed }) => !failed))) {
      await this.#deliver(item);
    }
    this.#draining = false;
  }

  /** Under its message id a message may be sent any number of times; it is kept once. */
  async #deliver({ to, text, messageId }) {
    const conversation = this.#conversation(to);
    for (let attempt = 1; this.#connection.state === 'connected'; attempt++) {
      try {
        const { transport } = this.#connection;
        const acknowledgement = await (conversation.direct
          ? transport.sendToUser(conversation.name, text, messageId)
          : transport.send(conversation.name, text, messageId));
        this.#acknowledged(conversation, text, messageId, acknowledgement);
        return;
      } catch (error) {
        if (isPermanent(error) || attempt === SEND_ATTEMPTS) {
          if (this.#connection.state === 'connected') this.#failed(conversation, messageId, error);
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt));
      }
    }
  }

  #acknowledged(conversation, text, messageId, acknowledgement) {
    this.#store.dequeue(messageId);
    if (conversation.direct) {
      const { epoch, offset, time } = acknowledgement;
      this.#store.keepSent({
        to: conversation.id, event: 'message', from: this.#tokens.user, data: text, messageId, epoch, offset, time,
      });
    }
    // Where the message itself came back first, it is in its place already.
    const pending = conversation.timeline.pending(messageId);
    if (!pending) return;
    if (conversation.timeline.acknowledge(pending, acknowledgement)) view.place(conversation, pending);
    else view.removed(conversation, [pending]);
  }

  #failed(conversation, messageId, error) {
    const item = this.#store.outbox.find((other) => other.messageId === messageId);
    const entry = conversation.timeline.pending(messageId);
    if (!item || !entry) return; // It came back in the room: it was kept after all.
    this.#store.markFailed(item, true);
    Object.assign(entry, { state: 'failed', error: error.message });
    view.place(conversation, entry);
  }

  #retry(entry) {
    entry.state = 'pending';
    view.place(this.#active, entry);
    const item = this.#store.outbox.find(({ messageId }) => messageId === entry.messageId);
    if (item) this.#store.markFailed(item, false);
    this.#drain();
  }

  #discard(entry) {
    this.#store.dequeue(entry.messageId);
    this.#active.timeline.remove(entry);
    view.removed(this.#active, [entry]);
  }
}

/** randomUUID is only there on https and localhost. */
function newMessageId() {
  return crypto.randomUUID?.()
    ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// Signing in

/** Rejects where the user has to do something about it; a server that cannot be reached is the connection's to wait for. */
async function signIn(user, pasted, rooms) {
  const tokens = new Tokens(user, pasted);
  try {
    await tokens.get();
  } catch (error) {
    if (error instanceof TokenRequired || error instanceof ApiError) throw error;
  }
  localStorage.setItem('user', tokens.user);
  sessionStorage.setItem('session', JSON.stringify({ user: tokens.user, pasted }));
  const chat = new Chat(tokens);
  view.onSignOut = () => {
    chat.stop();
    sessionStorage.removeItem('session');
    location.assign(location.pathname);
  };
  chat.start(rooms);
}

async function trySignIn(user, pasted, rooms) {
  try {
    await signIn(user, pasted, rooms);
  } catch (error) {
    const tokenRequired = error instanceof TokenRequired;
    view.showSignIn({ user, tokenRequired, error: tokenRequired ? null : error.message });
  }
}

const rooms = parameters.getAll('room').filter(Boolean);
const session = JSON.parse(sessionStorage.getItem('session') ?? 'null');
const linkedUser = parameters.get('user');

view.onSignIn = (user, pasted) => trySignIn(user, pasted, rooms);

if (session && (!linkedUser || linkedUser === session.user)) {
  // A link says where to begin; after a reload the tab knows better, for instance which rooms were left since.
  const reloaded = performance.getEntriesByType('navigation')[0]?.type === 'reload';
  trySignIn(session.user, session.pasted, reloaded ? [] : rooms);
} else if (linkedUser) {
  trySignIn(linkedUser, null, rooms);
} else {
  view.showSignIn({ user: localStorage.getItem('user') ?? '' });
}
