import { connect, type Client } from 'orleans-realtime';
import { socketIO } from 'orleans-realtime/socketio';
import { Deployments } from '../deployments/deployments.ts';
import { Security } from '../encryption/security.ts';
import { Latency } from '../inspector/latency.ts';
import { Model } from '../model.ts';
import { Notices } from '../notices/notices.ts';
import { Toasts } from '../notices/toasts.ts';
import { Requests } from '../requests/requests.ts';
import { chosenTransport, linkedRooms, rememberTransport, type TransportName } from '../session/session.ts';
import type { TokenSource } from '../session/tokens.ts';
import { Topics } from '../topics/topics.ts';
import { Conversations } from './conversations.ts';
import type { Conversation } from './conversation.ts';
import { EncryptedConversations, Memory } from './memory.ts';

export const TOOLS = ['deployments', 'topics', 'requests', 'notices'] as const;
export type Tool = (typeof TOOLS)[number];

/** All that one signed-in user works with. It outlives the client, which is replaced with the transport. */
export class Desk extends Model {
  readonly user: string;
  readonly memory: Memory;
  readonly toasts = new Toasts();
  readonly conversations: Conversations;
  readonly deployments: Deployments;
  readonly topics: Topics;
  readonly requests = new Requests();
  readonly notices = new Notices(this.toasts);
  readonly latency = new Latency();
  readonly security: Security;
  transport: TransportName = chosenTransport();
  /** The tool on the screen; null where a conversation is. */
  tool: Tool | null = null;
  client!: Client;
  /** Of the clients before this one. */
  reconnectsBefore = 0;
  #ends: (() => void)[] = [];

  constructor(readonly tokens: TokenSource) {
    super();
    this.user = tokens.user;
    this.memory = new Memory(this.user);
    this.security = new Security(this.user, this.toasts);
    this.conversations = new Conversations(this.user, this.memory, new EncryptedConversations(this.user), this.security, this.toasts);
    this.deployments = new Deployments(this.memory);
    this.topics = new Topics(this.memory);
    this.#connect();
    this.#showFirst();
    addEventListener('online', () => {
      if (this.client.state !== 'connected') this.client.reconnect();
    });
  }

  /** A conversation by its id, or a tool. */
  show(view: string | null): void {
    this.tool = TOOLS.find((tool) => tool === view) ?? null;
    this.conversations.show(this.tool ? null : view);
    this.memory.update({ view });
    this.flush();
  }

  /** The next client begins at the cursors of this one and has its outbox, so nothing is lost between the two. */
  chooseTransport(name: TransportName): void {
    rememberTransport(name);
    this.transport = name;
    this.#replaceClient();
  }

  /** A client does not take back that a conversation is encrypted, so turning that off takes another one. */
  setEncrypted(conversation: Conversation, encrypted: boolean): void {
    this.conversations.setEncrypted(conversation, encrypted);
    if (!encrypted) this.#replaceClient();
    this.flush();
  }

  setVerifiedOnly(verifiedOnly: boolean): void {
    this.security.setVerifiedOnly(verifiedOnly);
    this.#replaceClient();
  }

  #replaceClient(): void {
    this.reconnectsBefore += this.client.info.reconnects;
    this.client.close();
    this.#connect();
    this.flush();
  }

  #connect(): void {
    for (const end of this.#ends) end();
    const client = connect({
      url: location.origin,
      getToken: ({ refresh }) => this.tokens.get(refresh),
      transport: this.transport === 'socketio' ? socketIO() : this.transport,
      storage: sessionStorage,
    });
    this.client = client;
    this.#ends = [client.on('error', (error) => console.warn(error))];
    // The codec comes before everything that is sent or joined.
    this.security.attach(client);
    for (const part of [this.conversations, this.deployments, this.topics, this.requests, this.notices, this.latency]) part.attach(client);
  }

  #showFirst(): void {
    const linked = linkedRooms().map((room) => this.conversations.join(room));
    const { view } = this.memory.state;
    const known = view && (this.conversations.all.has(view) || TOOLS.some((tool) => tool === view)) ? view : null;
    this.show(linked.at(-1) ?? known ?? this.conversations.all.keys().next().value ?? null);
  }
}
