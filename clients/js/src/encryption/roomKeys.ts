import nacl from 'tweetnacl';
import { concat, decode, encode, utf8 } from './encoding.js';
import { isObject } from './envelope.js';

// The keys of one room: which are known, and which of them is to be encrypted with (docs/encryption.md, "Rooms"). Pure.

export interface RoomKey {
  id: string;
  /** 32 bytes. */
  key: Uint8Array;
  generation: number;
}

/** What is handed from one member to another, inside of a direct message. */
export interface HandOver {
  room: string;
  key: string;
  generation: number;
  /** Where the key is fresh for who hands it over. */
  holders?: string[];
  /** Of the request that is answered. */
  ask?: string;
}

export const maxGeneration = 2147483647;

/** Of the key, so that nobody can hand out another one under the same id. */
export function roomKeyId(room: string, key: Uint8Array, generation: number): string {
  return encode(nacl.hash(concat(utf8(`orleans-realtime/room-key/1\n${room}\n${generation}\n`), key)).subarray(0, 16));
}

/** Undefined where the data is no hand-over. */
export function readHandOver(data: unknown): HandOver | undefined {
  if (!isObject(data)) {
    return undefined;
  }
  const { room, key, generation, holders, ask } = data;
  const valid =
    typeof room === 'string' &&
    decode(key, 32) !== undefined &&
    Number.isSafeInteger(generation) && (generation as number) >= 1 && (generation as number) <= maxGeneration &&
    (holders === undefined || (Array.isArray(holders) && holders.every((user) => typeof user === 'string'))) &&
    (ask === undefined || decode(ask, 16) !== undefined);
  return valid ? (data as unknown as HandOver) : undefined;
}

export class RoomKeys {
  /** In the order in which they came. */
  readonly #known = new Map<string, RoomKey>();
  /** Who may have each of the fresh keys. */
  readonly #holders = new Map<string, Set<string>>();
  /** Who is in the room; undefined outside of a stay. */
  #present: Set<string> | undefined;

  /** @param maxKeys Keys that are kept; one more displaces the oldest that is not fresh. */
  constructor(
    readonly room: string,
    readonly user: string,
    readonly maxKeys = 1000,
  ) {}

  get all(): RoomKey[] {
    return [...this.#known.values()];
  }

  find(id: string): RoomKey | undefined {
    return this.#known.get(id);
  }

  /** For reading; an application's store has had it, or somebody has handed it over. */
  add(key: Uint8Array, generation: number): RoomKey {
    const id = roomKeyId(this.room, key, generation);
    const known = this.#known.get(id) ?? { id, key, generation };
    this.#known.set(id, known);
    if (this.#known.size > this.maxKeys) {
      const oldest = [...this.#known.keys()].find((each) => each !== id && !this.#holders.has(each));
      const displaced = oldest ?? this.#known.keys().next().value!;
      this.#known.delete(displaced);
      this.#holders.delete(displaced);
    }
    return known;
  }

  /**
   * For reading, and for encrypting too where it is fresh.
   * @param answersOwn Whether it answers what this client has asked for in this stay.
   */
  handed(handOver: HandOver, from: string, answersOwn: boolean): RoomKey {
    const key = this.add(decode(handOver.key)!, handOver.generation);
    if (answersOwn && handOver.holders && this.#present) {
      const holders = new Set([...handOver.holders, from]);
      if ([...holders].every((user) => this.#present!.has(user))) {
        this.#becomesFresh(key.id, holders);
      }
    }
    return key;
  }

  /** A new key, fresh in this stay. */
  make(key: Uint8Array = nacl.randomBytes(32)): RoomKey {
    const highest = Math.max(0, ...this.all.map((known) => known.generation));
    const made = this.add(key, Math.min(highest + 1, maxGeneration));
    this.#becomesFresh(made.id, new Set());
    return made;
  }

  /** The client is in the room, with these. Said again in the same stay it tells who else has come or gone. */
  present(users: Iterable<string>): void {
    const before = this.#present;
    this.#present = new Set([...users, this.user]);
    for (const user of before ?? []) {
      if (!this.#present.has(user)) {
        this.left(user);
      }
    }
    for (const user of this.#present) {
      this.joined(user);
    }
  }

  /** The client has left the room, or lost its connection: who knows what happens there meanwhile. */
  endStay(): void {
    this.#present = undefined;
    this.#holders.clear();
  }

  joined(user: string): void {
    if (this.#present) {
      this.#present.add(user);
      this.mayHave(user);
    }
  }

  left(user: string): void {
    // Oneself is still here, whatever the server takes for a while to notice; but what was handed out meanwhile nobody knows.
    if (user !== this.user) {
      this.#present?.delete(user);
    }
    for (const [id, holders] of this.#holders) {
      if (holders.has(user)) {
        this.#holders.delete(id);
      }
    }
  }

  /** Somebody will be handed whatever he asks for. */
  mayHave(user: string): void {
    for (const [id, holders] of this.#holders) {
      holders.add(user);
      if (!this.#present!.has(user)) {
        this.#holders.delete(id);
      }
    }
  }

  isPresent(user: string): boolean {
    return this.#present?.has(user) ?? false;
  }

  /** Everybody in the room, oneself included. */
  get users(): string[] {
    return [...(this.#present ?? [])];
  }

  /** Whether it is this user who makes keys and answers first. @param asker Who is not counted, since he asks. */
  isFirst(asker?: string): boolean {
    return this.#present !== undefined && this.users.every((user) => user === asker || user >= this.user);
  }

  /** Undefined where no key is fresh. */
  toEncryptWith(): RoomKey | undefined {
    return [...this.#holders.keys()]
      .map((id) => this.#known.get(id)!)
      .sort((a, b) => b.generation - a.generation || (a.id < b.id ? -1 : 1))[0];
  }

  isFresh(id: string): boolean {
    return this.#holders.has(id);
  }

  handOver(key: RoomKey, ask?: string): HandOver {
    const holders = this.#holders.get(key.id);
    return {
      room: this.room,
      key: encode(key.key),
      generation: key.generation,
      ...(holders && { holders: [...holders].sort() }),
      ...(ask !== undefined && { ask }),
    };
  }

  #becomesFresh(id: string, holders: Set<string>): void {
    for (const user of this.#present ?? []) {
      holders.add(user);
    }
    this.#holders.set(id, holders);
  }
}
