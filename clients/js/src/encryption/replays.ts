// Which messages have been seen, so that none is shown twice or out of its sender's order. All of one conversation. Pure and bounded.

/** Where a message is: undefined for a transient one, which has no place. */
export type Place = { epoch: string; offset: number } | { key: string; revision: number } | undefined;

/** What outlives a restart, of a session: the highest `n` with its place; and `t`, the highest `n` of a transient message. */
export interface Highest {
  epoch?: string;
  offset?: number;
  n: number;
  t: number;
}

interface Session {
  epoch: string | undefined;
  /** Of that epoch, by offset; `n` grows with it. */
  placed: { offset: number; n: number }[];
  /** The highest of epochs before. */
  before: number;
  /** Transient messages. */
  loose: Set<number>;
  /** Transient messages up to here may have been forgotten, or placed ones with a transient one's number. */
  forgotten: number;
  /** The newest value of each key. */
  latest: Map<string, { revision: number; n: number }>;
}

export class Replays {
  /** The one used longest ago first. */
  readonly #sessions = new Map<string, Session>();

  /**
   * @param maxSessions Sessions that are remembered; of one that has been forgotten a replay is not noticed.
   * @param maxEach Messages and keys remembered of a session, beside the highest.
   */
  constructor(
    readonly maxSessions = 1000,
    readonly maxEach = 1000,
  ) {}

  /**
   * Whether the message may be shown; it is remembered then.
   * @param session Names user, device and session of the sender.
   */
  accept(session: string, n: number, place: Place): boolean {
    const known = this.#touch(session);
    if (place === undefined) {
      return this.#acceptLoose(known, n);
    }
    return 'offset' in place ? this.#acceptPlaced(known, n, place.epoch, place.offset) : this.#acceptLatest(known, n, place.key, place.revision);
  }

  /** What of a session is to be kept over a restart. */
  highest(session: string): Highest | undefined {
    const known = this.#sessions.get(session);
    return known && highestOf(known);
  }

  /** Takes up what another run of the client has seen. */
  restore(highest: Record<string, Highest>): void {
    for (const [name, { epoch, offset, n, t }] of Object.entries(highest)) {
      const session = this.#touch(name);
      if (epoch !== undefined && offset !== undefined) {
        session.epoch = epoch;
        session.placed = [{ offset, n }];
      } else {
        session.before = n;
      }
      session.forgotten = Math.max(n, t);
    }
  }

  #touch(name: string): Session {
    const session = this.#sessions.get(name) ?? newSession();
    this.#sessions.delete(name);
    this.#sessions.set(name, session);
    if (this.#sessions.size > this.maxSessions) {
      this.#sessions.delete(this.#sessions.keys().next().value!);
    }
    return session;
  }

  #acceptPlaced(session: Session, n: number, epoch: string, offset: number): boolean {
    if (session.loose.has(n) || hasLatest(session, n)) {
      return false;
    }
    if (session.epoch !== epoch) {
      // The log has begun anew: what is in it was sent later than all of the old one.
      const before = highestOf(session).n;
      if (n <= before) {
        return false;
      }
      Object.assign(session, { epoch, before, placed: [{ offset, n }] });
      return true;
    }
    const { placed } = session;
    const at = firstFrom(placed, offset);
    const here = placed[at];
    if (here?.offset === offset) {
      return here.n === n;
    }
    if (n <= (placed[at - 1]?.n ?? session.before) || n >= (here?.n ?? Infinity)) {
      return false;
    }
    placed.splice(at, 0, { offset, n });
    if (placed.length > this.maxEach) {
      session.forgotten = Math.max(session.forgotten, placed.shift()!.n);
    }
    return true;
  }

  #acceptLatest(session: Session, n: number, key: string, revision: number): boolean {
    const { latest, loose, placed } = session;
    const before = latest.get(key);
    if (before && before.n === n) {
      return before.revision === revision;
    }
    if ((before && n < before.n) || loose.has(n) || placed.some((message) => message.n === n) || hasLatest(session, n)) {
      return false;
    }
    latest.delete(key);
    latest.set(key, { revision, n });
    if (latest.size > this.maxEach) {
      latest.delete(latest.keys().next().value!);
    }
    return true;
  }

  #acceptLoose(session: Session, n: number): boolean {
    const { loose, placed } = session;
    if (n <= session.forgotten || loose.has(n) || placed.some((message) => message.n === n) || hasLatest(session, n)) {
      return false;
    }
    loose.add(n);
    if (loose.size > this.maxEach) {
      const smallest = Math.min(...loose);
      loose.delete(smallest);
      session.forgotten = Math.max(session.forgotten, smallest);
    }
    return true;
  }
}

function newSession(): Session {
  return { epoch: undefined, placed: [], before: 0, loose: new Set(), forgotten: 0, latest: new Map() };
}

function hasLatest(session: Session, n: number): boolean {
  return [...session.latest.values()].some((value) => value.n === n);
}

function highestOf(session: Session): Highest {
  const last = session.placed.at(-1);
  const t = Math.max(session.forgotten, ...session.loose);
  return last ? { epoch: session.epoch!, offset: last.offset, n: last.n, t } : { n: session.before, t };
}

/** The index of the first at the offset or after it. */
function firstFrom(placed: readonly { offset: number }[], offset: number): number {
  let low = 0;
  let high = placed.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (placed[middle]!.offset < offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
