import nacl from 'tweetnacl';
import { concat, decode, encode, fromUtf8, utf8 } from './encoding.js';
import { Refusal } from './refusal.js';

// The envelopes of docs/encryption.md, without anything that needs the network: whether the sender's key is the sender's, and whether
// the message is a repetition, is checked by whoever calls, between `read…` and `open…`, and after it.

/** What the server says of a message, and must not have changed. */
export interface MessageFields {
  from?: string;
  /** Of direct messages: whose inbox it is in. */
  to?: string;
  room?: string;
  event: string;
  messageId?: string;
  /** Of a `latest` value. */
  key?: string;
}

/** Where a message belongs in what its sender's device has encrypted. */
export interface Count {
  /** 16 bytes, new for each start of a client. */
  session: string;
  /** 1, 2, 3 … */
  n: number;
}

export interface Opened extends Count {
  data: unknown;
}

export interface DeviceKey {
  /** 43 characters. */
  name: string;
  publicKey: Uint8Array;
  secretKey: Uint8Array;
  /** What the boxes between this and other devices are sealed with, by their public keys. */
  shared: Map<string, Uint8Array>;
}

export interface DirectEnvelope {
  e2e: 1;
  kind: 'direct';
  sender: string;
  boxes: Record<string, string>;
}

export interface RoomEnvelope {
  e2e: 1;
  kind: 'room';
  key: string;
  sender: string;
  nonce: string;
  body: string;
}

const keyBytes = nacl.box.publicKeyLength;
const nonceBytes = nacl.box.nonceLength;
const idBytes = 16;

/** Devices whose products are remembered. */
const maxShared = 1000;

export function deviceKey(secretKey: Uint8Array = nacl.randomBytes(keyBytes)): DeviceKey {
  const { publicKey } = nacl.box.keyPair.fromSecretKey(secretKey);
  return { name: encode(publicKey), publicKey, secretKey, shared: new Map() };
}

export function newId(): string {
  return encode(nacl.randomBytes(idBytes));
}

// ---- Direct ------------------------------------------------------------------------------------------------------------------------

/** @param recipients Public keys of the recipient's devices. */
export function sealDirect(message: MessageFields, count: Count, data: unknown, device: DeviceKey, recipients: Iterable<string>): DirectEnvelope {
  const plaintext = write({ ...fields(message), to: message.to }, count, data);
  const boxes: Record<string, string> = {};
  for (const recipient of recipients) {
    const nonce = nacl.randomBytes(nonceBytes);
    boxes[recipient] = encode(concat(nonce, nacl.box.after(plaintext, nonce, sharedWith(recipient, device))));
  }
  return { e2e: 1, kind: 'direct', sender: device.name, boxes };
}

/** Checks the outside. @param own This device's public key: of the boxes only its own is looked at. */
export function readDirect(data: unknown, own: string): DirectEnvelope | Refusal {
  const envelope = readEnvelope(data, 'direct');
  if (envelope instanceof Refusal) {
    return envelope;
  }
  const { boxes } = envelope;
  if (!isObject(boxes)) {
    return new Refusal('malformed');
  }
  if (Object.hasOwn(boxes, own)) {
    const box = decode(boxes[own]);
    if (!box || box.length < nonceBytes + nacl.box.overheadLength) {
      return new Refusal('malformed');
    }
  }
  return envelope as unknown as DirectEnvelope;
}

/** The one slow step of a box is done once for each pair of keys: the product of the curve takes a millisecond or more. */
function sharedWith(name: string, device: DeviceKey): Uint8Array {
  let known = device.shared.get(name);
  if (!known) {
    const publicKey = decode(name, keyBytes);
    if (!publicKey) {
      throw new TypeError('A public key is 32 bytes as 43 characters of base64url.');
    }
    known = nacl.box.before(publicKey, device.secretKey);
    if (device.shared.size >= maxShared) {
      device.shared.clear();
    }
    device.shared.set(name, known);
  }
  return known;
}

export function openDirect(envelope: DirectEnvelope, message: MessageFields, device: DeviceKey): Opened | Refusal {
  if (!Object.hasOwn(envelope.boxes, device.name)) {
    return new Refusal('not_for_this_device');
  }
  const box = decode(envelope.boxes[device.name])!;
  const plaintext = nacl.box.open.after(box.subarray(nonceBytes), box.subarray(0, nonceBytes), sharedWith(envelope.sender, device));
  return plaintext ? read(plaintext, { ...fields(message), to: message.to }) : new Refusal('tampered');
}

// ---- Rooms -------------------------------------------------------------------------------------------------------------------------

export function sealRoom(message: MessageFields, count: Count, data: unknown, sender: string, roomKey: { id: string; key: Uint8Array }): RoomEnvelope {
  const plaintext = write({ ...fields(message), room: message.room, sender }, count, data);
  const nonce = nacl.randomBytes(nonceBytes);
  return { e2e: 1, kind: 'room', key: roomKey.id, sender, nonce: encode(nonce), body: encode(nacl.secretbox(plaintext, nonce, roomKey.key)) };
}

/** Checks the outside. */
export function readRoom(data: unknown): RoomEnvelope | Refusal {
  const envelope = readEnvelope(data, 'room');
  if (envelope instanceof Refusal) {
    return envelope;
  }
  const body = decode(envelope.body);
  return decode(envelope.key, idBytes) && decode(envelope.nonce, nonceBytes) && body && body.length >= nacl.secretbox.overheadLength
    ? (envelope as unknown as RoomEnvelope)
    : new Refusal('malformed');
}

/** @param key The room key that the envelope names; undefined where it is not known. */
export function openRoom(envelope: RoomEnvelope, message: MessageFields, key: Uint8Array | undefined): Opened | Refusal {
  if (!key) {
    return new Refusal('unknown_room_key');
  }
  const plaintext = nacl.secretbox.open(decode(envelope.body)!, decode(envelope.nonce)!, key);
  return plaintext ? read(plaintext, { ...fields(message), room: message.room, sender: envelope.sender }) : new Refusal('tampered');
}

// ---- Both --------------------------------------------------------------------------------------------------------------------------

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fields(message: MessageFields): Record<string, unknown> {
  const { from, event, messageId: id, key } = message;
  return { from, event, id, key };
}

function readEnvelope(data: unknown, kind: string): Record<string, unknown> | Refusal {
  if (!isObject(data) || !Object.hasOwn(data, 'e2e')) {
    return new Refusal('not_encrypted');
  }
  return data.e2e === 1 && data.kind === kind && decode(data.sender, keyBytes) ? data : new Refusal('malformed');
}

function write(repeated: Record<string, unknown>, count: Count, data: unknown): Uint8Array {
  const head = JSON.stringify({ ...repeated, session: count.session, n: count.n });
  return utf8(`${head.slice(0, -1)},"data":${JSON.stringify(data) ?? 'null'}}`);
}

function read(plaintext: Uint8Array, expected: Record<string, unknown>): Opened | Refusal {
  const text = fromUtf8(plaintext);
  const inside = text === undefined ? undefined : parse(text);
  if (!isObject(inside) || !Object.hasOwn(inside, 'data')) {
    return new Refusal('malformed');
  }
  const { session, n, data } = inside;
  if (typeof session !== 'string' || !decode(session, idBytes) || !Number.isSafeInteger(n) || (n as number) < 1) {
    return new Refusal('malformed');
  }
  for (const name of Object.keys(expected)) {
    const is = typeof inside[name];
    if (is !== 'string' && !(name === 'key' && is === 'undefined')) {
      return new Refusal('malformed');
    }
  }
  for (const [name, value] of Object.entries(expected)) {
    if (inside[name] !== value) {
      return new Refusal('mismatch');
    }
  }
  return { session, n: n as number, data };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
