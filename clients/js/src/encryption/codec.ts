import type { Client, Room, Sent } from '../api.js';
import { type Codec, type DecodeContext, type EncodeContext, type Refused, refuse } from '../codec.js';
import { isPermanent, RealtimeError } from '../errors.js';
import type { Message } from '../messages.js';
import { Counts } from './counts.js';
import { Directory } from './directory.js';
import { type DeviceKey, isObject, newId, readDirect, readRoom, sealDirect, sealRoom } from './envelope.js';
import { Events } from './events.js';
import { DeviceStore, type KeyStore } from './keyStore.js';
import { type Incoming, openMessage, sessionName } from './opening.js';
import { Refusal } from './refusal.js';
import { Replays } from './replays.js';
import { type ExchangeOptions, keyRequestEvent, NotInRoomError, RoomExchange, roomKeyEvent } from './roomExchange.js';
import { type HandOver, readHandOver } from './roomKeys.js';

/** Messages that were refused since their key was not known, and are tried again when it comes. */
const maxLate = 1000;

/** Keys that were handed over of rooms that the application has not declared (yet). */
const maxUndeclared = 200;

/** How often the directory is asked about a sender before his message is refused, and milliseconds before the second time, doubled each time. */
const lookUps = 5;
const lookUpDelay = 500;

export interface CodecOptions extends ExchangeOptions {
  store: KeyStore;
  verifiedOnly: boolean;
}

/** Who this client is; known once it has a token. */
export interface Identity {
  user: string;
  device: DeviceKey;
  store: DeviceStore;
  directory: Directory;
}

/** Encrypts what the client sends and decrypts what it receives, and takes part in the exchange of room keys. */
export class EncryptionCodec implements Codec {
  readonly events = new Events();
  readonly #options: CodecOptions;
  readonly #counts = new Counts();
  /** Hand-overs are sent beside what the application sends. */
  readonly #handOverCounts = new Counts();
  readonly #rooms = new Map<string, Promise<RoomExchange>>();
  readonly #replays = new Map<string, Promise<Replays>>();
  readonly #handOvers = new Set<Sent>();
  readonly #undeclared: { handOver: HandOver; from: string }[] = [];
  readonly #declared = new Set<string>();
  readonly #used = new Map<string, string>();
  readonly #stops: (() => void)[] = [];
  #client!: Client;
  #identity: Promise<Identity> | undefined;
  #announced: Promise<void> | undefined;
  #handed: Promise<unknown> = Promise.resolve();
  #late: { message: Message; context: DecodeContext; id: string }[] = [];

  constructor(options: CodecOptions) {
    this.#options = options;
  }

  attach(client: Client): () => void {
    this.#client = client;
    this.#stops.push(client.on('state', (state) => (state === 'connected' ? this.#connected() : this.#connectionLost())));
    if (client.state === 'connected') {
      this.#connected();
    }
    // Its rooms tell by their state that they are not joined any more.
    return () => {
      this.#stops.splice(0).forEach((stop) => stop());
      this.#connectionLost();
      for (const room of this.#rooms.values()) {
        room.then((exchange) => exchange.close(), () => undefined);
      }
    };
  }

  // ---- The connection ----------------------------------------------------------------------------------------------------------------

  identity(): Promise<Identity> {
    this.#identity ??= this.#begin();
    this.#identity.catch(() => (this.#identity = undefined));
    return this.#identity;
  }

  async #begin(): Promise<Identity> {
    if (this.#client.user === undefined) {
      await this.#client.connected();
    }
    const user = this.#client.user!;
    const store = new DeviceStore(this.#options.store, user);
    const device = await store.device();
    const directory = new Directory({
      list: async (of) => (await this.#client.keys.list(of)).keys.map(({ key }) => key),
      store,
      verifiedOnly: this.#options.verifiedOnly,
      user,
      own: device.name,
      onKeyChanged: (changed) => this.events.emit('keyChanged', changed),
    });
    return { user, device, store, directory };
  }

  declare(room: string): void {
    this.#declared.add(room);
    this.exchange(room).catch((error) => this.#report(error));
  }

  #connected(): void {
    this.#announced = undefined;
    // Those that could not be begun before are begun now.
    this.#declared.forEach((room) => this.declare(room));
    // Whoever sends something waits for it, and tries again.
    this.#announce().catch((error) => this.#report(error));
  }

  #announce(): Promise<void> {
    const announced = (this.#announced ??= this.identity().then(async ({ device }) => {
      await this.#client.keys.put(device.name);
    }));
    announced.catch(() => {
      if (this.#announced === announced) {
        this.#announced = undefined;
      }
    });
    return announced;
  }

  #connectionLost(): void {
    // What they say of who has which key will not be true any more.
    [...this.#handOvers].forEach((sent) => sent.discard());
  }

  // ---- Sending -----------------------------------------------------------------------------------------------------------------------

  async encode(context: EncodeContext, data: unknown): Promise<unknown> {
    if (!context.encrypted) {
      return data;
    }
    if (context.event.startsWith('e2e:')) {
      throw new RealtimeError('invalid_argument', 'Events that begin with "e2e:" are the encryption\'s own.');
    }
    if (data instanceof Uint8Array || data instanceof ArrayBuffer) {
      throw new RealtimeError('invalid_argument', 'Binary data is not encrypted as such: send it as text in JSON.');
    }
    await this.#announce();
    return context.kind === 'direct' ? this.#encodeDirect(context, data) : this.#encodeForRoom(context, data);
  }

  async #encodeDirect(context: EncodeContext & { kind: 'direct' }, data: unknown): Promise<unknown> {
    const { device, directory } = await this.identity();
    const { user, from, event, messageId, key } = context;
    const recipients = await directory.usable(user);
    if (recipients.length === 0) {
      throw (await directory.current(user)).length === 0
        ? new RealtimeError('no_keys', `'${user}' has announced no key, so nothing can be encrypted for that user.`, { permanent: true })
        : new RealtimeError('unverified_key', `No key of '${user}' has been verified, and only verified keys are to be used.`, { permanent: true });
    }
    return sealDirect({ from, to: user, event, messageId, ...(key !== undefined && { key }) }, this.#counts.next(`direct:${user}`), data, device, recipients);
  }

  async #encodeForRoom(context: EncodeContext & { kind: 'room' }, data: unknown): Promise<unknown> {
    const { device } = await this.identity();
    const { room, from, event, messageId, key } = context;
    const roomKey = await this.#keyFor(room);
    if (this.#used.get(room) !== roomKey.id) {
      this.#used.set(room, roomKey.id);
      this.events.emit('rotated', { room, key: roomKey.id, generation: roomKey.generation });
    }
    return sealRoom({ room, from, event, messageId, ...(key !== undefined && { key }) }, this.#counts.next(`room:${room}`), data, device.name, roomKey);
  }

  async #keyFor(name: string) {
    const exchange = await this.exchange(name);
    const room = this.#client.room(name);
    if (!exchange.inStay && room.joined) {
      // It could not be learnt before who is there.
      await exchange.beginStay();
    }
    try {
      return await exchange.toEncryptWith();
    } catch (error) {
      if (error instanceof NotInRoomError && (room.state === 'left' || room.state === 'failed')) {
        throw new RealtimeError('not_a_member', `Join '${name}' before sending to it.`, { cause: error });
      }
      throw error;
    }
  }

  // ---- Receiving ---------------------------------------------------------------------------------------------------------------------

  intercept(message: Message, context: DecodeContext): boolean {
    if (context.kind === 'room' && message.event === keyRequestEvent) {
      void this.#rooms.get(context.room)?.then((exchange) => exchange.requested(message.data, message.from)).catch((error) => this.#report(error));
      return true;
    }
    if (context.kind === 'direct' && message.event === roomKeyEvent) {
      this.#handed = this.#handed.then(() => this.#takeHandOver(message, context)).catch((error) => this.#report(error));
      return true;
    }
    return false;
  }

  async decode(message: Message, context: DecodeContext): Promise<Message | Refused | undefined> {
    if (context.kind === 'direct' && message.event === roomKeyEvent) {
      await this.#takeHandOver(message, context);
      return undefined;
    }
    // Whoever writes first writes encrypted, although the application has not declared the conversation.
    if (!context.encrypted && !(context.kind === 'direct' && isObject(message.data) && message.data.e2e === 1)) {
      return message;
    }
    const data = await this.#open(message, context);
    return data instanceof Refusal ? refuse(data.code, data.message) : { ...message, data: data.data, encrypted: true };
  }

  /** Reports what is refused. */
  async #open(message: Message, context: DecodeContext): Promise<{ data: unknown } | Refusal> {
    const opened = await this.#tryToOpen(message, context);
    if (opened instanceof Refusal) {
      if (opened.code === 'unknown_room_key') {
        const others = this.#late.filter((each) => message.cursor === undefined || each.message.cursor !== message.cursor);
        this.#late = [...others, { message, context, id: (message.data as { key: string }).key }].slice(-maxLate);
      }
      this.#reportRefused(opened, message);
    }
    return opened;
  }

  #reportRefused({ code, message }: Refusal, refused: Message): void {
    // Keys that were handed over before this device existed it asks for, where it needs them.
    if (refused.event !== roomKeyEvent || code !== 'not_for_this_device') {
      this.events.emit('refused', { code, message, refused });
    }
  }

  async #tryToOpen(message: Message, context: DecodeContext): Promise<{ data: unknown } | Refusal> {
    const { user, device, store, directory } = await this.identity();
    const incoming = { ...message, to: user } as Incoming;
    const room = context.kind === 'room' ? context.room : undefined;
    const { from } = message;
    const envelope = room === undefined ? readDirect(message.data, device.name) : readRoom(message.data);
    if (!(envelope instanceof Refusal) && from !== undefined) {
      await this.#lookUp(directory, from, envelope.sender);
    }
    const exchange = room === undefined ? undefined : await this.exchange(room);
    if (exchange && !(envelope instanceof Refusal) && envelope.kind === 'room' && from !== undefined
      && directory.isKeyOf(from, envelope.sender) && directory.mayUse(from, envelope.sender)) {
      // Nobody hands out keys to who is not in the room.
      const { state } = this.#client.room(room!);
      await (state === 'joined' || state === 'joining' ? exchange.find(envelope.key) : undefined);
    }
    // Hand-overs are taken beside the others, so they may come sooner.
    const conversation = room !== undefined ? `room:${room}` : message.event === roomKeyEvent ? `keys:${from}` : `direct:${from}`;
    const replays = await this.#replaysOf(conversation, store);
    const opened = openMessage(context.kind, incoming, {
      device,
      isKeyOf: (of, key) => directory.isKeyOf(of, key),
      mayUse: (of, key) => directory.mayUse(of, key),
      roomKey: (id) => exchange?.keys.find(id)?.key,
      replays,
    });
    if (!(opened instanceof Refusal) && !(envelope instanceof Refusal)) {
      const session = sessionName(from!, envelope.sender, opened.session);
      store.raise(conversation, { [session]: replays.highest(session)! }, replays.maxSessions).catch((error) => this.#report(error));
    }
    return opened;
  }

  /** A message is not refused because the directory cannot be asked: it waits. */
  async #lookUp(directory: Directory, from: string, sender: string): Promise<void> {
    for (let attempt = 1; ; ) {
      try {
        return await directory.prepare(from, sender);
      } catch (error) {
        if (attempt === lookUps || isPermanent(error)) {
          return this.#report(error);
        }
      }
      if (this.#client.state === 'connected') {
        await new Promise((resolve) => setTimeout(resolve, lookUpDelay * 2 ** (attempt++ - 1)));
      } else if (!(await this.#client.connected().then(() => true, () => false))) {
        return;
      }
    }
  }

  #replaysOf(conversation: string, store: DeviceStore): Promise<Replays> {
    let replays = this.#replays.get(conversation);
    if (!replays) {
      replays = store.highest(conversation).then((highest) => {
        const restored = new Replays();
        restored.restore(highest);
        return restored;
      });
      this.#replays.set(conversation, replays);
    }
    return replays;
  }

  // ---- Room keys ---------------------------------------------------------------------------------------------------------------------

  exchange(name: string): Promise<RoomExchange> {
    let exchange = this.#rooms.get(name);
    if (!exchange) {
      exchange = this.#newExchange(name);
      this.#rooms.set(name, exchange);
      exchange.catch(() => this.#rooms.delete(name));
    }
    return exchange;
  }

  async #newExchange(name: string): Promise<RoomExchange> {
    const identity = await this.identity();
    const { user, device, store, directory } = identity;
    const room = this.#client.room(name, { encrypted: true });
    const exchange = new RoomExchange(name, {
      user,
      own: device.name,
      request: (request) => this.#publish(room.send(request, { event: keyRequestEvent, delivery: 'transient', plain: true })),
      handOver: (to, data) => this.#handOver(identity, to, data),
      presence: () => presenceOf(room),
      mayHand: async (of, key) => (await directory.lists(of, key)) && directory.mayUse(of, key),
      keep: (key) => void store.addRoomKey(name, key, exchange.keys.maxKeys).catch((error) => this.#report(error)),
      failed: (error) => this.#report(error),
    }, this.#options);
    for (const { key, generation } of await store.roomKeys(name)) {
      exchange.keys.add(key, generation);
    }
    for (const { handOver, from } of this.#undeclared.filter((each) => each.handOver.room === name)) {
      exchange.handed(handOver, from);
    }
    this.#stops.push(
      room.on('presence', (change) => exchange.changed(change)),
      room.on('state', (state) => (state === 'joined' ? this.#enter(exchange) : exchange.endStay())),
    );
    if (room.joined) {
      this.#enter(exchange);
    }
    return exchange;
  }

  #enter(exchange: RoomExchange): void {
    const begun = exchange.beginStay();
    // Perhaps somebody is there now who has what nobody had before.
    for (const { context, id } of this.#late) {
      if (context.kind === 'room' && context.room === exchange.keys.room) {
        void exchange.find(id);
      }
    }
    begun.catch((error) => error instanceof NotInRoomError || this.#report(error));
  }

  async #handOver({ user, device, directory }: Identity, to: string, data: HandOver): Promise<void> {
    const recipients = await directory.usable(to);
    if (recipients.every((key) => to === user && key === device.name)) {
      return;
    }
    const message = { from: user, to, event: roomKeyEvent, messageId: newId() };
    const sealed = sealDirect(message, this.#handOverCounts.next(to), data, device, recipients);
    await this.#publish(this.#client.direct(to).send(sealed, { event: roomKeyEvent, messageId: message.messageId, plain: true }));
  }

  /** What the exchange sends is of this moment, and does not wait for another connection. */
  async #publish(sent: Sent): Promise<void> {
    this.#handOvers.add(sent);
    try {
      await sent.kept;
    } catch (error) {
      sent.discard();
      throw error;
    } finally {
      this.#handOvers.delete(sent);
    }
  }

  async #takeHandOver(message: Message, context: DecodeContext): Promise<void> {
    const opened = await this.#open(message, context);
    if (opened instanceof Refusal) {
      return;
    }
    const handOver = readHandOver(opened.data);
    if (!handOver) {
      return this.#reportRefused(new Refusal('malformed'), message);
    }
    const exchange = await this.#rooms.get(handOver.room);
    if (exchange) {
      exchange.handed(handOver, message.from!);
      await this.#openLate(handOver.room, exchange);
    } else {
      this.#undeclared.push({ handOver, from: message.from! });
      this.#undeclared.splice(0, this.#undeclared.length - maxUndeclared);
    }
  }

  /** What had been given up can be read after all. */
  async #openLate(room: string, exchange: RoomExchange): Promise<void> {
    const isReadable = ({ context, id }: { context: DecodeContext; id: string }) =>
      context.kind === 'room' && context.room === room && exchange.keys.find(id) !== undefined;
    const readable = this.#late.filter(isReadable);
    this.#late = this.#late.filter((each) => !isReadable(each));
    for (const { message, context } of readable) {
      const opened = await this.#open(message, context);
      if (!(opened instanceof Refusal)) {
        this.#client.amend({ ...message, data: opened.data, encrypted: true });
      }
    }
  }

  #report(error: unknown): void {
    if (this.#client.state !== 'closed') {
      this.events.emit('error', error instanceof Error ? error : new Error(String(error)));
    }
  }
}

async function presenceOf(room: Room): Promise<string[]> {
  const { members, list } = await room.presence();
  if (members > list.length) {
    throw new RealtimeError('room_too_large', `'${room.name}' has ${members} members, of whom the server names ${list.length}: rooms as large are not encrypted.`, { permanent: true });
  }
  return list.map(({ user }) => user);
}
