import { type DeviceKey, deviceKey } from './envelope.js';
import { decode, encode } from './encoding.js';
import type { Highest } from './replays.js';
import type { RoomKey } from './roomKeys.js';

/** Where a client keeps its keys: as they are, so whoever can read it can read all messages. May be asynchronous. */
export interface KeyStore {
  get(name: string): string | null | undefined | Promise<string | null | undefined>;
  set(name: string, value: string): void | Promise<void>;
}

/** Forgets everything with the page: the next one is a new device. */
export function memoryKeyStore(): KeyStore {
  const values = new Map<string, string>();
  return {
    get: (name) => values.get(name),
    set: (name, value) => void values.set(name, value),
  };
}

/** In `localStorage`, or anything like it. */
export function storageKeyStore(storage: Pick<Storage, 'getItem' | 'setItem'>, prefix = 'orleans-realtime/e2e/'): KeyStore {
  return {
    get: (name) => storage.getItem(prefix + name),
    set: (name, value) => storage.setItem(prefix + name, value),
  };
}

/** Of a user's key that this client has seen. */
export interface SeenKey {
  key: string;
  verified: boolean;
}

/**
 * What of one user's device is kept, in a store that other users of the browser, and other tabs of the same one, may have part in.
 * A value is read, changed and written in one go, so that tabs add to what the others have written.
 */
export class DeviceStore {
  readonly #user: string;
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(
    readonly store: KeyStore,
    user: string,
  ) {
    this.#user = encodeURIComponent(user);
  }

  /** Made where there is none. */
  async device(): Promise<DeviceKey> {
    const secret = await this.#update<string>('device', (kept) => kept ?? encode(deviceKey().secretKey));
    const bytes = decode(secret, 32);
    if (!bytes) {
      throw new Error('What the key store has as the device\'s key is none. Restore it, or clear the store to begin as a new device.');
    }
    return deviceKey(bytes);
  }

  async seenKeys(user: string): Promise<SeenKey[]> {
    return (await this.#read<SeenKey[]>(`keys/${encodeURIComponent(user)}`)) ?? [];
  }

  updateSeenKeys(user: string, change: (keys: SeenKey[]) => SeenKey[]): Promise<SeenKey[]> {
    return this.#update<SeenKey[]>(`keys/${encodeURIComponent(user)}`, (keys) => change(keys ?? []));
  }

  async roomKeys(room: string): Promise<Omit<RoomKey, 'id'>[]> {
    const kept = (await this.#read<[string, number][]>(`room/${encodeURIComponent(room)}`)) ?? [];
    return kept.map(([key, generation]) => ({ key: decode(key)!, generation }));
  }

  async addRoomKey(room: string, { key, generation }: Omit<RoomKey, 'id'>, maxKeys: number): Promise<void> {
    const text = encode(key);
    await this.#update<[string, number][]>(`room/${encodeURIComponent(room)}`, (kept = []) =>
      [...kept.filter(([each, its]) => each !== text || its !== generation), [text, generation] as [string, number]].slice(-maxKeys));
  }

  async highest(conversation: string): Promise<Record<string, Highest>> {
    return (await this.#read<Record<string, Highest>>(`seen/${encodeURIComponent(conversation)}`)) ?? {};
  }

  /** @param changes The sessions that have been used last are at the end. */
  async raise(conversation: string, changes: Record<string, Highest>, maxSessions: number): Promise<void> {
    await this.#update<Record<string, Highest>>(`seen/${encodeURIComponent(conversation)}`, (kept = {}) => {
      for (const [session, highest] of Object.entries(changes)) {
        const before = kept[session];
        delete kept[session];
        kept[session] = before && before.n > highest.n ? { ...before, t: Math.max(before.t, highest.t) } : highest;
      }
      return Object.fromEntries(Object.entries(kept).slice(-maxSessions));
    });
  }

  async #read<T>(name: string): Promise<T | undefined> {
    const text = await this.store.get(`${this.#user}/${name}`);
    return text == null ? undefined : (JSON.parse(text) as T);
  }

  async #update<T>(name: string, change: (kept: T | undefined) => T): Promise<T> {
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(async () => {
      const kept = await this.#read<T>(name);
      const changed = change(kept);
      await this.store.set(`${this.#user}/${name}`, JSON.stringify(changed));
      return changed;
    });
    const settled = turn.catch(() => undefined).then(() => {
      if (this.#turns.get(name) === settled) {
        this.#turns.delete(name);
      }
    });
    this.#turns.set(name, settled);
    return turn;
  }
}
