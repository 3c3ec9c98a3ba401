import type { Members, Presence, PresenceChange } from './messages.js';

/** Who is in a room: what presence says once, and the comings and goings since. */
export class MemberList {
  readonly #changed: () => void;
  readonly #users = new Set<string>();
  #count = 0;
  #current: Members = { count: 0, list: [] };
  #tracked = false;
  #loading = 0;
  /** What has come while presence was asked for; it may or may not be in the answer, and applying it again does no harm. */
  #meanwhile: PresenceChange[] = [];

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Somebody wants to know. True the first time. */
  track(): boolean {
    if (this.#tracked) return false;
    return (this.#tracked = true);
  }

  get tracked(): boolean {
    return this.#tracked;
  }

  /** A new object after each change. */
  get current(): Members {
    return this.#current;
  }

  async load(presence: () => Promise<Presence>): Promise<void> {
    const turn = ++this.#loading;
    this.#meanwhile = [];
    const { members, list } = await presence();
    if (turn !== this.#loading) return;
    this.#users.clear();
    for (const { user } of list) this.#users.add(user);
    this.#count = members;
    for (const change of this.#meanwhile) this.#take(change);
    this.#meanwhile = [];
    this.#publish();
  }

  apply(change: PresenceChange): void {
    if (!this.#tracked) return;
    this.#meanwhile.push(change);
    this.#take(change);
    this.#publish();
  }

  /** A call under way brings what may be out of date. */
  stale(): void {
    this.#loading++;
    this.#meanwhile = [];
  }

  clear(): void {
    this.stale();
    if (this.#current.count === 0) return;
    this.#users.clear();
    this.#count = 0;
    this.#publish();
  }

  #take({ joined, left, members }: PresenceChange): void {
    for (const user of left) this.#users.delete(user);
    for (const user of joined) this.#users.add(user);
    this.#count = members;
  }

  #publish(): void {
    this.#current = { count: this.#count, list: [...this.#users].sort() };
    this.#changed();
  }
}
