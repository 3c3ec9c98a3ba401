const SAVE_DELAY = 200;
const SENT_KEPT = 200;

/** A direct message that this tab has sent: the inbox holds only the received ones. */
export interface SentDirect {
  to: string;
  data: unknown;
  messageId: string;
  epoch: string;
  offset: number;
  time: string;
  encrypted?: boolean;
}

interface State {
  rooms: string[];
  /** What is open: the id of a conversation, or a tool. */
  view: string | null;
  unread: Record<string, number>;
  sent: SentDirect[];
  jobs: { id: string; events: string; feature: string }[];
  subscriptions: string[];
}

/** What this tab remembers over a reload. Cursors and unsent messages are the client library's to remember. */
export class Memory {
  #key: string;
  #timer: ReturnType<typeof setTimeout> | null = null;
  readonly state: State = { rooms: [], view: null, unread: {}, sent: [], jobs: [], subscriptions: [] };

  constructor(user: string) {
    this.#key = `page:${user}`;
    try {
      Object.assign(this.state, JSON.parse(sessionStorage.getItem(this.#key) ?? '{}'));
    } catch {
      // Nothing usable stored: begin afresh.
    }
    addEventListener('pagehide', () => this.#save());
  }

  update(change: Partial<State>): void {
    Object.assign(this.state, change);
    this.#timer ??= setTimeout(() => this.#save(), SAVE_DELAY); // A busy room would otherwise cost one write per message.
  }

  keepSent(message: SentDirect): void {
    this.update({ sent: [...this.state.sent, message].slice(-SENT_KEPT) });
  }

  #save(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(this.state));
    } catch {
      // Storage is full or forbidden: then the memory ends with the page.
    }
  }
}

/** Which conversations the user has declared encrypted. The device remembers that, not the tab: forgetting it would send in the clear. */
export class EncryptedConversations {
  #key: string;

  constructor(user: string) {
    this.#key = `encrypted:${user}`;
  }

  all(): string[] {
    return JSON.parse(localStorage.getItem(this.#key) ?? '[]') as string[];
  }

  has(id: string): boolean {
    return this.all().includes(id);
  }

  set(id: string, encrypted: boolean): void {
    const others = this.all().filter((other) => other !== id);
    localStorage.setItem(this.#key, JSON.stringify(encrypted ? [...others, id] : others));
  }
}
