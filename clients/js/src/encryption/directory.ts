import { decode } from './encoding.js';
import { fingerprint } from './fingerprint.js';
import type { DeviceStore, SeenKey } from './keyStore.js';

/** How old a copy of what the server lists may be, in milliseconds. */
const maxAge = 10_000;

/** Keys that are remembered of a user; one more displaces the oldest that is not verified. */
const maxSeen = 100;

export interface UserKey {
  /** The public key: 43 characters. */
  key: string;
  /** For people to compare. */
  fingerprint: string;
  verified: boolean;
  /** Whether the directory lists it now: what is sent is encrypted for it. */
  current: boolean;
}

export interface DirectoryOptions {
  /** The public keys that the server lists. */
  list(user: string): Promise<string[]>;
  store: DeviceStore;
  verifiedOnly: boolean;
  /** Whose device this is, and its key, which needs no verifying. */
  user: string;
  own: string;
  /** A user of whom keys are remembered has another one. */
  onKeyChanged(changed: { user: string; key: string; fingerprint: string }): void;
  /** Milliseconds. */
  now?: () => number;
}

/** Whose keys are which: what the server's key directory says, and what this client remembers of it. */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #now: () => number;
  readonly #copies = new Map<string, { asked: number; keys: Promise<string[]> }>();
  readonly #seen = new Map<string, Map<string, SeenKey>>();

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** The keys that the directory lists now. */
  async current(user: string): Promise<string[]> {
    const copy = this.#copies.get(user);
    return copy && this.#now() - copy.asked < maxAge ? copy.keys : this.#ask(user);
  }

  /** The keys to encrypt for. */
  async usable(user: string): Promise<string[]> {
    return (await this.current(user)).filter((key) => this.mayUse(user, key));
  }

  /** Whether the directory lists the key now, or did so when a copy was made. */
  async lists(user: string, key: string): Promise<boolean> {
    return (await this.current(user)).includes(key) || (await this.#ask(user)).includes(key);
  }

  /** After it, `isKeyOf` and `mayUse` know of this key. */
  async prepare(user: string, key: string): Promise<void> {
    await this.#remembered(user);
    if (!this.isKeyOf(user, key)) {
      await this.#ask(user);
    }
  }

  isKeyOf(user: string, key: string): boolean {
    return this.#isOwn(user, key) || (this.#seen.get(user)?.has(key) ?? false);
  }

  mayUse(user: string, key: string): boolean {
    return !this.#options.verifiedOnly || this.#isVerified(user, key);
  }

  async keys(user: string): Promise<UserKey[]> {
    const current = await this.#ask(user);
    const seen = [...(await this.#remembered(user)).keys()];
    return [...current, ...seen.filter((key) => !current.includes(key))].map((key) => ({
      key,
      fingerprint: fingerprint(user, key),
      verified: this.#isVerified(user, key),
      current: current.includes(key),
    }));
  }

  /** People have compared the fingerprint. */
  async verify(user: string, key: string, verified: boolean): Promise<void> {
    if (!decode(key, 32)) {
      throw new TypeError('A public key is 32 bytes as 43 characters of base64url.');
    }
    await this.#remembered(user);
    await this.#change(user, (keys) => [...keys.filter((each) => each.key !== key), { key, verified }]);
  }

  #isVerified(user: string, key: string): boolean {
    return this.#isOwn(user, key) || (this.#seen.get(user)?.get(key)?.verified ?? false);
  }

  #isOwn(user: string, key: string): boolean {
    return user === this.#options.user && key === this.#options.own;
  }

  #ask(user: string): Promise<string[]> {
    const keys = this.#options.list(user).then(async (listed) => {
      const valid = listed.filter((key) => decode(key, 32));
      await this.#learn(user, valid);
      return valid;
    });
    const copy = { asked: this.#now(), keys };
    this.#copies.set(user, copy);
    keys.catch(() => {
      if (this.#copies.get(user) === copy) {
        this.#copies.delete(user);
      }
    });
    return keys;
  }

  async #remembered(user: string): Promise<Map<string, SeenKey>> {
    let seen = this.#seen.get(user);
    if (!seen) {
      const kept = await this.#options.store.seenKeys(user);
      seen = this.#seen.get(user) ?? new Map(kept.map((each) => [each.key, each]));
      this.#seen.set(user, seen);
    }
    return seen;
  }

  async #learn(user: string, listed: string[]): Promise<void> {
    const seen = await this.#remembered(user);
    const known = seen.size > 0;
    // The oldest first, which are the first to be forgotten.
    const fresh = listed.filter((key) => !seen.has(key)).reverse();
    if (fresh.length === 0) {
      return;
    }
    // Before the store has it: who waits for another copy must not report the same key again.
    for (const key of fresh) {
      seen.set(key, { key, verified: false });
    }
    await this.#change(user, (keys) => [...keys, ...fresh.filter((key) => !keys.some((each) => each.key === key)).map((key) => ({ key, verified: false }))]);
    for (const key of known ? fresh : []) {
      if (!this.#isOwn(user, key)) {
        this.#options.onKeyChanged({ user, key, fingerprint: fingerprint(user, key) });
      }
    }
  }

  async #change(user: string, change: (keys: SeenKey[]) => SeenKey[]): Promise<void> {
    const kept = await this.#options.store.updateSeenKeys(user, (keys) => bounded(change(keys)));
    this.#seen.set(user, new Map(kept.map((each) => [each.key, each])));
  }
}

function bounded(keys: SeenKey[]): SeenKey[] {
  let over = keys.length - maxSeen;
  return over <= 0 ? keys : keys.filter((key) => key.verified || over-- <= 0);
}
