const SAVE_DELAY = 200;
const SENT_KEPT = 200;

/**
 * What this tab remembers over a reload: the rooms and how far each channel has been seen, what was written but not
 * yet acknowledged, and the direct messages sent (the inbox only holds the received ones).
 */
export class Store {
  #key;
  #state = { rooms: [], active: null, cursors: {}, outbox: [], sent: [] };
  #timer = null;

  constructor(user) {
    this.#key = `realtime:${user}`;
    try {
      Object.assign(this.#state, JSON.parse(sessionStorage.getItem(this.#key)));
    } catch {
      // Nothing usable stored: begin afresh.
    }
    addEventListener('pagehide', () => this.#save());
  }

  get rooms() {
    return this.#state.rooms;
  }

  addRoom(room) {
    if (!this.rooms.includes(room)) this.rooms.push(room);
    this.#changed();
  }

  removeRoom(room) {
    this.#state.rooms = this.rooms.filter((other) => other !== room);
    delete this.#state.cursors[roomChannel(room)];
    this.#changed();
  }

  /** The conversation that is open. */
  get active() {
    return this.#state.active;
  }

  set active(id) {
    this.#state.active = id;
    this.#changed();
  }

  /** `epoch:offset`, or null. */
  cursor(channel) {
    return this.#state.cursors[channel] ?? null;
  }

  /** Whether a cursor is of another log than the one followed so far, which then was lost. */
  isOtherEpoch(channel, cursor) {
    const known = this.cursor(channel);
    return known !== null && splitCursor(known)[0] !== splitCursor(cursor)[0];
  }

  /**
   * Moves a channel's cursor on, and says whether it was news: false means this offset has been seen.
   * Only for what is delivered in order; a page of older history must not move the cursor over what is still to come.
   */
  advance(channel, cursor) {
    const [epoch, offset] = splitCursor(cursor);
    const [seenEpoch, seenOffset] = splitCursor(this.cursor(channel));
    if (epoch === seenEpoch && offset <= seenOffset) return false;
    this.#state.cursors[channel] = cursor;
    this.#changed();
    return true;
  }

  forget(channel) {
    delete this.#state.cursors[channel];
    this.#changed();
  }

  /** Messages without acknowledgement, oldest first: `{to, text, messageId}` with `to` a conversation. */
  get outbox() {
    return this.#state.outbox;
  }

  enqueue(item) {
    this.outbox.push(item);
    this.#changed();
  }

  /** A message the server will not take stays until the user tries again or discards it. */
  markFailed(item, failed) {
    item.failed = failed;
    this.#changed();
  }

  dequeue(messageId) {
    this.#state.outbox = this.outbox.filter((item) => item.messageId !== messageId);
    this.#changed();
  }

  get sent() {
    return this.#state.sent;
  }

  keepSent(message) {
    this.#state.sent = [...this.sent, message].slice(-SENT_KEPT);
    this.#changed();
  }

  /** Saved with a delay, since a busy room would otherwise cost one write per message. */
  #changed() {
    this.#timer ??= setTimeout(() => this.#save(), SAVE_DELAY);
  }

  #save() {
    clearTimeout(this.#timer);
    this.#timer = null;
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(this.#state));
    } catch {
      // Storage is full or forbidden: then the memory ends with the page.
    }
  }
}

export const INBOX = 'inbox';
export const NOTIFICATIONS = 'notifications';
export const roomChannel = (room) => `room:${room}`;

function splitCursor(cursor) {
  if (!cursor) return [null, 0];
  const colon = cursor.lastIndexOf(':');
  return [cursor.slice(0, colon), Number(cursor.slice(colon + 1))];
}
