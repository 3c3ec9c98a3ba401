import { decode } from './encoding.js';
import { isObject, newId } from './envelope.js';
import { type HandOver, type RoomKey, RoomKeys } from './roomKeys.js';

// How the members of one room come to have the same keys: asking, handing over, making new ones (docs/encryption.md, "Rooms").

export const keyRequestEvent = 'e2e:key-request';
export const roomKeyEvent = 'e2e:room-key';

/** Keys that one request may ask for. */
const maxIds = 100;

/** Requests of one device that are answered in one stay within `answersPeriod` milliseconds: each costs a message. */
const maxAnswers = 20;
const answersPeriod = 10_000;

export interface KeyRequest {
  e2e: 1;
  kind: 'key-request';
  sender: string;
  ask: string;
  attempt: 1 | 2;
  /** None: the one to encrypt with. */
  ids: string[];
}

/** What an exchange needs of the rest. */
export interface ExchangeHost {
  user: string;
  /** This device's public key. */
  own: string;
  /** Publishes a request to the room, in front of everybody. */
  request(request: KeyRequest): Promise<void>;
  /** Encrypts it for all devices of the user. Fails where there is none. */
  handOver(user: string, data: HandOver): Promise<void>;
  /** Who the server says is in the room. Fails where that does not tell everybody. */
  presence(): Promise<string[]>;
  /** Whether the directory lists this key of the user's, and it may be used. */
  mayHand(user: string, key: string): Promise<boolean>;
  /** A key that is new to this client is to be kept. */
  keep(key: RoomKey): void;
  /** Something that nobody waits for has failed. */
  failed(error: unknown): void;
}

export interface ExchangeOptions {
  /** Milliseconds between two attempts to ask, and before a client helps itself. */
  askAgain: number;
  /** Milliseconds for which a message waits for its key. */
  wait: number;
}

/** The stay in the room has ended, or has not begun, so no key can be had: not before the room has been joined again. */
export class NotInRoomError extends Error {
  constructor(room: string) {
    super(`Not in '${room}' at the moment, so no key can be had to encrypt with.`);
  }
}

interface Stay {
  /** Resolves when it is known who is in the room. */
  entered: Promise<void>;
  /** Rejects when the stay ends. */
  over: Promise<never>;
  end(): void;
  /** The requests that have been made in it, and the keys that they were for. */
  asks: Set<string>;
  ids: Set<string>;
}

interface Wanted {
  promise: Promise<RoomKey | undefined>;
  resolve(key: RoomKey | undefined): void;
  timer: ReturnType<typeof setTimeout>;
}

export class RoomExchange {
  readonly keys: RoomKeys;
  readonly #host: ExchangeHost;
  readonly #options: ExchangeOptions;
  #stay: Stay | undefined;
  #getting: Promise<RoomKey> | undefined;
  #making: Promise<RoomKey> | undefined;
  #freshCame: (() => void) | undefined;
  /** The changes since the oldest question who is in the room that has not been answered. */
  #meanwhile: { joined: readonly string[]; left: readonly string[] }[] | undefined;
  #pending = 0;
  readonly #wanted = new Map<string, Wanted>();
  /** Nobody has answered for these; who asks again does so in another stay. */
  readonly #givenUp = new Set<string>();
  readonly #answered = new Map<string, { since: number; count: number }>();
  #asking = false;

  constructor(room: string, host: ExchangeHost, options: ExchangeOptions) {
    this.keys = new RoomKeys(room, host.user);
    this.#host = host;
    this.#options = options;
  }

  // ---- The stay ----------------------------------------------------------------------------------------------------------------------

  /** The room has been joined, or joined again. Fails where it cannot be learnt who is in it. */
  beginStay(): Promise<void> {
    this.endStay();
    let end!: () => void;
    const over = new Promise<never>((_, reject) => (end = () => reject(new NotInRoomError(this.keys.room))));
    over.catch(() => undefined);
    const stay: Stay = { entered: Promise.resolve(), over, end, asks: new Set(), ids: new Set() };
    this.#stay = stay;
    stay.entered = Promise.race([this.#learnPresence(stay), over]).then(() => this.#askForWanted());
    stay.entered.catch(() => this.#stay === stay && this.endStay());
    return stay.entered;
  }

  /** The room has been left, or the connection lost. */
  endStay(): void {
    this.#stay?.end();
    this.#stay = undefined;
    this.#getting = undefined;
    this.#making = undefined;
    this.#givenUp.clear();
    this.#answered.clear();
    this.keys.endStay();
  }

  get inStay(): boolean {
    return this.#stay !== undefined;
  }

  /** The server tells who has come and gone; and nobody's name where there are too many. */
  changed(change: { joined: readonly string[]; left: readonly string[] }): void {
    this.#meanwhile?.push(change);
    change.left.forEach((user) => this.keys.left(user));
    change.joined.forEach((user) => this.keys.joined(user));
    const stay = this.#stay;
    if (stay && change.joined.length + change.left.length === 0) {
      void this.#learnPresence(stay).catch((error) => this.#host.failed(error));
    }
  }

  /** The answer may be older than the changes that have come while it was waited for. */
  async #learnPresence(stay: Stay): Promise<void> {
    const meanwhile = (this.#meanwhile ??= []);
    const from = meanwhile.length;
    try {
      this.#pending++;
      const present = new Set(await this.#host.presence());
      for (const { joined, left } of meanwhile.slice(from)) {
        left.forEach((user) => present.delete(user));
        joined.forEach((user) => present.add(user));
      }
      if (this.#stay === stay) {
        this.keys.present(present);
      }
    } finally {
      if (--this.#pending === 0) {
        this.#meanwhile = undefined;
      }
    }
  }

  // ---- A key to encrypt with ---------------------------------------------------------------------------------------------------------

  /** The one to encrypt the next message with, which is fresh at this moment. */
  async toEncryptWith(): Promise<RoomKey> {
    for (;;) {
      const fresh = this.keys.toEncryptWith();
      if (fresh) {
        return fresh;
      }
      const stay = this.#stay;
      if (!stay) {
        throw new NotInRoomError(this.keys.room);
      }
      await stay.entered;
      this.#getting ??= Promise.race([this.#get(stay), stay.over]).finally(() => {
        if (this.#stay === stay) {
          this.#getting = undefined;
        }
      });
      await this.#getting;
    }
  }

  async #get(stay: Stay): Promise<RoomKey> {
    if (!this.keys.isFirst()) {
      const ask = this.#newAsk(stay);
      for (const attempt of [1, 2] as const) {
        const came = new Promise<void>((resolve) => (this.#freshCame = resolve));
        await this.#request(ask, attempt, []);
        await within(came, this.#options.askAgain);
        const fresh = this.keys.toEncryptWith();
        if (fresh || this.#stay !== stay) {
          return fresh ?? stay.over;
        }
      }
    }
    return this.#makeOnce();
  }

  #makeOnce(): Promise<RoomKey> {
    const making = (this.#making ??= this.#make().finally(() => {
      if (this.#making === making) {
        this.#making = undefined;
      }
    }));
    return making;
  }

  /** Everybody in the room has it before the first message under it. */
  async #make(): Promise<RoomKey> {
    const made = this.keys.make();
    this.#host.keep(made);
    const handOver = this.keys.handOver(made);
    // Who has no keys does not encrypt; who cannot be reached now will ask.
    await Promise.allSettled(this.keys.users.map((user) => this.#host.handOver(user, handOver)));
    return made;
  }

  // ---- Keys to read with -------------------------------------------------------------------------------------------------------------

  /** Waits for the key, which is asked for; undefined where it does not come. */
  find(id: string): RoomKey | undefined | Promise<RoomKey | undefined> {
    const known = this.keys.find(id);
    if (known || this.#givenUp.has(id)) {
      return known;
    }
    let wanted = this.#wanted.get(id);
    if (!wanted) {
      let resolve!: Wanted['resolve'];
      const promise = new Promise<RoomKey | undefined>((done) => (resolve = done));
      wanted = { promise, resolve, timer: setTimeout(() => this.#giveUp(id), this.#options.wait) };
      this.#wanted.set(id, wanted);
      this.#askForWanted();
    }
    return wanted.promise;
  }

  /** Nobody waits any more. */
  close(): void {
    this.endStay();
    [...this.#wanted.keys()].forEach((id) => this.#giveUp(id));
  }

  #giveUp(id: string): void {
    const wanted = this.#wanted.get(id);
    if (wanted) {
      clearTimeout(wanted.timer);
      this.#wanted.delete(id);
      if (this.#stay) {
        this.#givenUp.add(id);
      }
      wanted.resolve(undefined);
    }
  }

  /** One after the other, and those that are wanted meanwhile together. */
  #askForWanted(): void {
    const stay = this.#stay;
    if (!stay || !this.keys.isPresent(this.#host.user) || this.#asking || this.#wanted.size === 0) {
      return;
    }
    this.#asking = true;
    void this.#askFor([...this.#wanted.keys()].slice(0, maxIds), stay)
      .catch((error) => this.#stay === stay && this.#host.failed(error))
      .finally(() => {
        this.#asking = false;
        if (this.#stay !== stay || [...this.#wanted.keys()].some((id) => !stay.ids.has(id))) {
          this.#askForWanted();
        }
      });
  }

  async #askFor(ids: string[], stay: Stay): Promise<void> {
    const ask = this.#newAsk(stay);
    ids.forEach((id) => stay.ids.add(id));
    for (const attempt of [1, 2] as const) {
      const missing = ids.filter((id) => this.#wanted.has(id));
      if (missing.length === 0 || this.#stay !== stay) {
        return;
      }
      await this.#request(ask, attempt, missing);
      await within(Promise.all(missing.map((id) => this.#wanted.get(id)?.promise)), this.#options.askAgain);
    }
  }

  /** A member hands over a key, in a direct message that has been opened. */
  handed(handOver: HandOver, from: string): void {
    const answersOwn = handOver.ask !== undefined && (this.#stay?.asks.has(handOver.ask) ?? false);
    const key = this.keys.handed(handOver, from, answersOwn);
    this.#host.keep(key);
    this.#givenUp.delete(key.id);
    const wanted = this.#wanted.get(key.id);
    if (wanted) {
      clearTimeout(wanted.timer);
      this.#wanted.delete(key.id);
      wanted.resolve(key);
    }
    if (this.keys.isFresh(key.id)) {
      this.#freshCame?.();
    }
  }

  // ---- What others ask for -----------------------------------------------------------------------------------------------------------

  /** Answers where this is for this client to do. */
  async requested(data: unknown, from: string | undefined): Promise<void> {
    const request = readRequest(data);
    const stay = this.#stay;
    if (!request || !stay || from === undefined || request.sender === this.#host.own) {
      return;
    }
    await stay.entered;
    if (this.#stay !== stay || !(await this.#isPresent(from, stay)) || this.#stay !== stay) {
      return;
    }
    this.keys.mayHave(from);
    const ownDevice = from === this.#host.user;
    const first = !ownDevice && this.keys.isFirst(from);
    const isForUs = first || ownDevice || request.attempt === 2;
    if (!isForUs || !(await this.#host.mayHand(from, request.sender)) || this.#isTooMany(request.sender)) {
      return;
    }
    for (const key of await this.#answersTo(request, first)) {
      if (this.#stay === stay && this.keys.isPresent(from)) {
        await this.#host.handOver(from, this.keys.handOver(key, request.ask));
      }
    }
  }

  async #answersTo({ ids }: KeyRequest, first: boolean): Promise<RoomKey[]> {
    if (ids.length > 0) {
      return ids.map((id) => this.keys.find(id)).filter((key) => key !== undefined);
    }
    if (first && !this.keys.toEncryptWith()) {
      await this.#makeOnce();
    }
    const fresh = this.keys.toEncryptWith();
    return fresh ? [fresh] : [];
  }

  #isTooMany(sender: string): boolean {
    const now = Date.now();
    const recent = this.#answered.get(sender);
    if (!recent || now - recent.since > answersPeriod) {
      this.#answered.set(sender, { since: now, count: 1 });
      return false;
    }
    return ++recent.count > maxAnswers;
  }

  /** The request may have come before the news of who has joined. */
  async #isPresent(user: string, stay: Stay): Promise<boolean> {
    if (!this.keys.isPresent(user)) {
      await this.#learnPresence(stay);
    }
    return this.keys.isPresent(user);
  }

  // ---- Both --------------------------------------------------------------------------------------------------------------------------

  #newAsk(stay: Stay): string {
    const ask = newId();
    stay.asks.add(ask);
    return ask;
  }

  #request(ask: string, attempt: 1 | 2, ids: string[]): Promise<void> {
    return this.#host.request({ e2e: 1, kind: 'key-request', sender: this.#host.own, ask, attempt, ids });
  }
}

function readRequest(data: unknown): KeyRequest | undefined {
  if (!isObject(data)) {
    return undefined;
  }
  const { e2e, kind, sender, ask, attempt, ids } = data;
  const valid =
    e2e === 1 && kind === 'key-request' && decode(sender, 32) && decode(ask, 16) && (attempt === 1 || attempt === 2) &&
    Array.isArray(ids) && ids.length <= maxIds && ids.every((id) => decode(id, 16));
  return valid ? (data as unknown as KeyRequest) : undefined;
}

/** Until it is there, or the time is over. */
function within(promise: Promise<unknown>, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    void promise.then(() => (clearTimeout(timer), resolve()));
  });
}

