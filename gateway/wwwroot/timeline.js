/**
 * The messages of one conversation in their order, each once. A room is ordered by offset; a conversation with a user
 * by time, since what was sent and what was received are numbered in two different inboxes.
 */
export class Timeline {
  entries = [];
  #byTime;
  #byKey = new Map();
  #byMessageId = new Map(); // What this tab sent.
  #epochs = []; // In the order met: a new epoch comes after the ones before.
  #arrivals = 0;

  constructor({ byTime = false } = {}) {
    this.#byTime = byTime;
  }

  /** The oldest offset of the present epoch, below which history may go on; null where nothing is loaded. */
  get oldestOffset() {
    const epoch = this.#epochs.at(-1);
    return this.entries.find((entry) => entry.epoch === epoch && entry.offset)?.offset ?? null;
  }

  /** A received message. Returns its entry, or null where it is there already. */
  add(message, mine) {
    if (this.#byKey.has(keyOf(message))) return null;
    const pending = mine && this.#byMessageId.get(message.messageId);
    return pending ? this.acknowledge(pending, message) : this.#insert({ ...message, mine, state: mine ? 'acknowledged' : 'received' });
  }

  addPending({ from, data, messageId }) {
    const entry = this.#insert({ event: 'message', from, data, messageId, mine: true, state: 'pending' });
    this.#byMessageId.set(messageId, entry);
    return entry;
  }

  pending(messageId) {
    return this.#byMessageId.get(messageId) ?? null;
  }

  /** A sent message was kept, and now has its place. */
  acknowledge(entry, { epoch, offset, time }) {
    this.remove(entry);
    if (this.#byKey.has(keyOf({ epoch, offset }))) return null;
    return this.#insert(Object.assign(entry, { epoch, offset, time, state: 'acknowledged' }));
  }

  remove(entry) {
    this.#byMessageId.delete(entry.messageId);
    this.entries = this.entries.filter((other) => other !== entry);
  }

  /** Forgets the oldest entries of a long conversation, and returns them; they can be loaded again. */
  trim(count) {
    const removed = this.entries.splice(0, count);
    for (const entry of removed) this.#byKey.delete(keyOf(entry));
    return removed;
  }

  /** The place after which a gap would be, taken before the messages that follow it arrive. */
  end() {
    return this.entries.findLast((entry) => entry.order[0] !== Infinity)?.order ?? [-1, 0, 0];
  }

  addGap([epoch, offset] = this.end()) {
    const key = `gap:${epoch}:${offset}`;
    return this.#byKey.has(key) ? null : this.#insert({ gap: true, key, order: [epoch, offset, Infinity] });
  }

  next(entry) {
    return this.entries[this.entries.indexOf(entry) + 1] ?? null;
  }

  previous(entry) {
    return this.entries[this.entries.indexOf(entry) - 1] ?? null;
  }

  #insert(entry) {
    const order = entry.order = entry.gap ? entry.order : this.#orderOf(entry);
    const key = keyOf(entry);
    if (key) this.#byKey.set(key, entry);
    // Nearly always the last place, so look from the end.
    const index = this.entries.findLastIndex((other) => compare(other.order, order) <= 0);
    this.entries.splice(index + 1, 0, entry);
    return entry;
  }

  #orderOf({ epoch, offset, time, state }) {
    const arrival = ++this.#arrivals;
    if (state === 'pending') return [Infinity, 0, arrival];
    if (this.#byTime) return [0, Date.parse(time), arrival];
    // A message that is not logged stands where it arrived.
    if (!offset) return [...this.end().slice(0, 2), arrival];
    if (!this.#epochs.includes(epoch)) this.#epochs.push(epoch);
    return [this.#epochs.indexOf(epoch), offset, 0];
  }
}

function keyOf({ key, epoch, offset }) {
  return key ?? (offset ? `${epoch}:${offset}` : null);
}

function compare(a, b) {
  const i = a.findIndex((value, index) => value !== b[index]);
  return i < 0 ? 0 : a[i] < b[i] ? -1 : 1;
}
