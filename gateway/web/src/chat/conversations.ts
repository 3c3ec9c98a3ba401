import { RealtimeError, type Client, type Message, type RefusedMessage, type Room, type Sent } from 'orleans-realtime';
import { Model } from '../model.ts';
import type { Toasts } from '../notices/toasts.ts';
import { messageOf } from '../ui/text.ts';
import { type Conversation, directId, newConversation, newTimeline, roomId } from './conversation.ts';
import type { Security } from '../encryption/security.ts';
import type { EncryptedConversations, Memory } from './memory.ts';

const ENTRIES_KEPT = 1_000;

/** Of the inbox at the start. */
const DIRECTS_LOADED = 200;

/** The rooms and the people the user talks to, and what the client brings into them. */
export class Conversations extends Model {
  readonly all = new Map<string, Conversation>();
  /** The one on the screen. */
  open: Conversation | null = null;
  /** Whether its end is in view; told by the list of messages. */
  atEnd = true;
  #client!: Client;
  #rooms = new Map<string, Room>();
  #ends: (() => void)[] = [];
  #followed = new WeakSet<Sent>();
  #loadingOlder = false;

  constructor(
    private readonly user: string,
    private readonly memory: Memory,
    private readonly encrypted: EncryptedConversations,
    private readonly security: Security,
    private readonly toasts: Toasts,
  ) {
    super();
    for (const room of memory.state.rooms) this.#conversation(roomId(room));
    for (const { to } of memory.state.sent) this.#conversation(to);
    for (const conversation of this.directs) this.#addSent(conversation);
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#markRead(this.open);
    });
  }

  get rooms(): Conversation[] {
    return [...this.all.values()].filter(({ kind }) => kind === 'room');
  }

  get directs(): Conversation[] {
    return [...this.all.values()].filter(({ kind }) => kind === 'direct');
  }

  get unread(): number {
    return [...this.all.values()].reduce((sum, { unread }) => sum + unread, 0);
  }

  /** Goes on with another client, which has the cursors and the outbox of the one before. */
  attach(client: Client): void {
    for (const end of this.#ends) end();
    this.#rooms.clear();
    this.#client = client;
    this.#ends = [
      client.on('direct', (message) => this.#direct(message)),
      client.on('refused', ({ message, refusal }) => this.#direct({ ...message, data: null, refused: refusal })),
      client.on('amended', (message) => this.#amend(this.#conversation(directId(message.from)), message)),
      client.on('gap', ({ room, namespace }) => {
        if (!room && !namespace) void this.#loadInbox();
      }),
      client.outbox.on('change', () => this.#showUnsent()),
    ];
    for (const conversation of this.directs) this.security.direct(conversation); // So that what comes is decrypted.
    for (const conversation of this.rooms) void this.#join(conversation);
    void client.connected().then(() => this.#loadInbox(), () => {});
    this.#showUnsent();
  }

  room(conversation: Conversation): Room {
    return this.#rooms.get(conversation.name) ?? this.security.room(conversation);
  }

  show(id: string | null): void {
    this.open = id ? this.all.get(id) ?? null : null;
    this.#markRead(this.open);
    this.flush();
  }

  /** @returns The id of the conversation. */
  join(room: string): string {
    const id = roomId(room);
    if (!this.all.has(id)) {
      const conversation = this.#conversation(id);
      this.memory.update({ rooms: [...this.memory.state.rooms, room] });
      void this.#join(conversation);
    }
    return id;
  }

  leave(conversation: Conversation): void {
    this.#rooms.get(conversation.name)?.leave();
    this.#remove(conversation);
  }

  /** @returns The id of the conversation. */
  writeTo(user: string): string {
    return this.#conversation(directId(user)).id;
  }

  setEncrypted(conversation: Conversation, encrypted: boolean): void {
    this.encrypted.set(conversation.id, encrypted);
    conversation.encrypted = encrypted;
    conversation.timeline = newTimeline(conversation.kind);
    conversation.loaded = false;
    if (conversation.kind === 'room') {
      this.security.room(conversation);
      if (encrypted) void this.#loadNewest(conversation);
    } else {
      this.security.direct(conversation);
      this.#addSent(conversation);
      if (encrypted) void this.#loadInbox();
    }
    this.#showUnsent();
    this.flush();
  }

  // Sending

  send(conversation: Conversation, text: string): void {
    if (conversation.kind === 'room') this.room(conversation).send(text);
    else this.security.direct(conversation).send(text);
    this.#showUnsent();
    this.flush();
  }

  retry(messageId: string): void {
    this.#client.outbox.entries.find((sent) => sent.messageId === messageId)?.retry();
  }

  discard(conversation: Conversation, messageId: string): void {
    this.#client.outbox.entries.find((sent) => sent.messageId === messageId)?.discard();
    conversation.timeline.discard(messageId);
    this.flush();
  }

  /** What is in the outbox stands at the end of its conversation, after a reload too. */
  #showUnsent(): void {
    for (const sent of this.#client.outbox.entries) {
      const { to, event, state, messageId, data } = sent;
      if (to.kind === 'namespace' || event !== 'message' || state === 'kept' || state === 'discarded') continue;
      const conversation = this.all.get(to.kind === 'room' ? roomId(to.room) : directId(to.user));
      if (!conversation) continue;
      conversation.timeline.addPending({ from: this.user, data, messageId, encrypted: conversation.encrypted });
      if (this.#followed.has(sent)) continue;
      this.#followed.add(sent);
      this.#settle(conversation, sent);
      sent.on('state', () => this.#settle(conversation, sent));
    }
    this.changed();
  }

  #settle(conversation: Conversation, sent: Sent): void {
    const { messageId, state, error, data } = sent;
    if (state === 'kept') {
      void sent.kept.then(({ epoch, offset, time }) => {
        if (!epoch || !offset) return;
        conversation.timeline.acknowledge(messageId, { epoch, offset, time });
        if (conversation.kind === 'direct') {
          this.memory.keepSent({ to: conversation.id, data, messageId, epoch, offset, time, encrypted: conversation.encrypted });
        }
        this.changed();
      });
    } else if (state === 'discarded') {
      conversation.timeline.discard(messageId);
    } else {
      conversation.timeline.mark(messageId, state === 'failed' ? 'failed' : 'pending', error?.message);
    }
    this.changed();
  }

  // Rooms

  async #join(conversation: Conversation): Promise<void> {
    const room = this.security.room(conversation);
    this.#rooms.set(conversation.name, room);
    this.#ends.push(
      room.on('message', (message) => this.#message(conversation, message)),
      room.on('refused', ({ message, refusal }: RefusedMessage) => this.#message(conversation, { ...message, data: null, refused: refusal })),
      room.on('amended', (message) => this.#amend(conversation, message)),
      room.on('gap', () => {
        conversation.timeline.addGap();
        this.changed();
      }),
      room.on('reset', () => void this.#loadNewest(conversation)),
      room.on('error', (error) => this.#refused(conversation, error)),
    );
    try {
      await room.join();
      if (!conversation.loaded) await this.#loadNewest(conversation);
    } catch (error) {
      this.#refused(conversation, error);
    }
  }

  /** The server will not let the user into the room, which is not the connection's to heal. */
  #refused(conversation: Conversation, error: unknown): void {
    if (!(error instanceof RealtimeError && error.permanent) || this.all.get(conversation.id) !== conversation) return;
    this.#remove(conversation);
    this.toasts.error(`“${conversation.name}” could not be joined: ${error.message}`);
  }

  #remove(conversation: Conversation): void {
    this.all.delete(conversation.id);
    this.#rooms.delete(conversation.name);
    for (const sent of this.#client.outbox.entries) {
      if (sent.to.kind === 'room' && roomId(sent.to.room) === conversation.id) sent.discard();
    }
    this.memory.update({ rooms: this.memory.state.rooms.filter((room) => room !== conversation.name) });
    if (this.open === conversation) this.show(this.all.keys().next().value ?? null);
    this.flush();
  }

  #conversation(id: string): Conversation {
    let conversation = this.all.get(id);
    if (!conversation) {
      conversation = newConversation(id, this.encrypted.has(id));
      conversation.unread = this.memory.state.unread[id] ?? 0;
      this.all.set(id, conversation);
      this.changed();
    }
    return conversation;
  }

  // History

  async #loadNewest(conversation: Conversation): Promise<void> {
    const { timeline } = conversation;
    const page = await this.room(conversation).history();
    if (conversation.timeline !== timeline) return;
    this.#addPage(conversation, page.messages);
    conversation.loaded = true;
    this.flush();
  }

  /** The inbox holds only what has come; what has been sent this tab remembers. */
  #addSent({ id, timeline }: Conversation): void {
    for (const { to, ...message } of this.memory.state.sent) {
      if (to === id) timeline.add({ event: 'message', from: this.user, ...message }, true);
    }
  }

  async loadOlder(): Promise<void> {
    const conversation = this.open;
    const before = conversation?.timeline.oldestOffset;
    if (!conversation || !before || this.#loadingOlder) return;
    this.#loadingOlder = true;
    try {
      this.#addPage(conversation, (await this.room(conversation).history({ before })).messages);
    } catch (error) {
      this.toasts.error(`Older messages could not be loaded: ${messageOf(error)}`);
    } finally {
      this.#loadingOlder = false;
    }
    this.flush();
  }

  #addPage(conversation: Conversation, messages: readonly Message[]): void {
    for (const message of messages) conversation.timeline.add(shown(message), message.from === this.user);
    conversation.canLoadOlder = messages.length > 0 && (conversation.timeline.oldestOffset ?? 0) > 1;
  }

  async #loadInbox(): Promise<void> {
    try {
      const { messages } = await this.#client.inbox({ limit: DIRECTS_LOADED });
      for (const message of messages) this.#conversation(directId(message.from)).timeline.add(shown(message), false);
      this.changed();
    } catch {
      // What is new comes by itself; only older direct messages are missing until the next load.
    }
  }

  // What arrives

  #message(conversation: Conversation, message: Message): void {
    // Typing indicators and the like of other applications.
    if (!message.offset && message.event !== 'message') return;
    const mine = message.from === this.user;
    if (conversation.timeline.add(shown(message), mine) && !mine) this.#countUnread(conversation);
    if (conversation.timeline.entries.length > ENTRIES_KEPT && (conversation !== this.open || this.atEnd)) {
      conversation.timeline.trim(ENTRIES_KEPT / 2);
      conversation.canLoadOlder = true;
    }
    this.changed();
  }

  #direct(message: Message): void {
    const conversation = this.#conversation(directId(message.from));
    conversation.timeline.add(shown(message), false);
    this.#countUnread(conversation);
  }

  #amend(conversation: Conversation, message: Message): void {
    conversation.timeline.replace(message);
    this.changed();
  }

  #countUnread(conversation: Conversation): void {
    if (conversation !== this.open || document.visibilityState !== 'visible') this.#setUnread(conversation, conversation.unread + 1);
    this.changed();
  }

  #markRead(conversation: Conversation | null): void {
    if (conversation?.unread) this.#setUnread(conversation, 0);
  }

  #setUnread(conversation: Conversation, unread: number): void {
    conversation.unread = unread;
    this.memory.update({ unread: { ...this.memory.state.unread, [conversation.id]: unread } });
    this.changed();
  }
}

/** What is encrypted says nothing to who has not turned encryption on. */
function shown(message: Message): Message {
  const { data, encrypted, refused } = message;
  const sealed = !encrypted && !refused && typeof data === 'object' && data !== null && 'e2e' in data;
  return sealed ? { ...message, refused: { code: 'encrypted', message: 'An encrypted message. Turn on encryption to read it.' } } : message;
}
