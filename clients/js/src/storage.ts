import type { StorageLike } from './api.js';

// Milliseconds: a busy room would otherwise cost a write for each message.
const SAVE_DELAY = 200;

/** What is kept over a reload: how far each channel was delivered, and what is not sent yet. */
export interface Saved {
  cursors: Record<string, string>;
  outbox: SavedEntry[];
}

export interface SavedEntry {
  messageId: string;
  to: unknown;
  event: string;
  data: unknown;
  /** The data is base64 of bytes. */
  binary?: boolean;
  delivery?: string;
  key?: string;
  plain?: boolean;
  queuedAt: number;
  failed?: { code: string; message: string };
}

/** Writes what there is to keep into a Storage, as one value for each user. */
export class Memory {
  readonly #storage: StorageLike | undefined;
  readonly #key: string;
  readonly #state: () => Saved;
  readonly #report: (error: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = false;
  readonly #pageHides = () => this.save();

  /** `state` is asked at each save. */
  constructor({ storage, key, state, report }: { storage: StorageLike | undefined; key: string; state: () => Saved; report: (error: unknown) => void }) {
    this.#storage = storage;
    this.#key = key;
    this.#state = state;
    this.#report = report;
    if (storage) globalThis.addEventListener?.('pagehide', this.#pageHides);
  }

  load(): Saved {
    const saved: Saved = { cursors: {}, outbox: [] };
    try {
      Object.assign(saved, JSON.parse(this.#storage?.getItem(this.#key) ?? '{}'));
    } catch {
      // Nothing usable is stored: begin afresh.
    }
    return saved;
  }

  /** Something has changed that may wait a little. */
  changed(): void {
    if (this.#storage) this.#timer ??= setTimeout(() => this.save(), SAVE_DELAY);
  }

  /** Something has changed that must not be lost: it is saved before anything else happens, once for all that has changed by then. */
  changedForGood(): void {
    if (!this.#storage || this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      if (this.#due) this.save();
    });
  }

  save(): void {
    this.#due = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#storage) return;
    try {
      this.#storage.setItem(this.#key, JSON.stringify(this.#state()));
    } catch (error) {
      // Full, or forbidden: then what there is ends with the page.
      this.#report(error);
    }
  }

  close(): void {
    if (this.#timer !== undefined || this.#due) this.save();
    globalThis.removeEventListener?.('pagehide', this.#pageHides);
  }
}
