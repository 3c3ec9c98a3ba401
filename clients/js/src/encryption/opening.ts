import { type DeviceKey, type MessageFields, type Opened, openDirect, openRoom, readDirect, readRoom } from './envelope.js';
import { Refusal } from './refusal.js';
import type { Place, Replays } from './replays.js';

/** A message as the server sends it. */
export interface Incoming extends MessageFields {
  data: unknown;
  epoch?: string;
  offset?: number;
  revision?: number;
}

/** What a client knows when it reads a message of one conversation. */
export interface Reader {
  device: DeviceKey;
  /** Whether the directory has the key under this user's name, or the client remembers it as his. */
  isKeyOf(user: string, key: string): boolean;
  /** Always true where unverified keys are used too. */
  mayUse(user: string, key: string): boolean;
  roomKey(id: string): Uint8Array | undefined;
  replays: Replays;
}

/** All checks, in the order of docs/encryption.md: the first that fails is the refusal. Throws nothing, whatever the message. */
export function openMessage(kind: 'direct' | 'room', message: Incoming, reader: Reader): Opened | Refusal {
  const envelope = kind === 'direct' ? readDirect(message.data, reader.device.name) : readRoom(message.data);
  if (envelope instanceof Refusal) {
    return envelope;
  }
  const { from } = message;
  const { sender } = envelope;
  if (from === undefined || !reader.isKeyOf(from, sender)) {
    return new Refusal('unknown_sender_key');
  }
  if (!reader.mayUse(from, sender)) {
    return new Refusal('unverified_key');
  }
  const opened = envelope.kind === 'direct'
    ? openDirect(envelope, message, reader.device)
    : openRoom(envelope, message, reader.roomKey(envelope.key));
  if (opened instanceof Refusal) {
    return opened;
  }
  return reader.replays.accept(sessionName(from, sender, opened.session), opened.n, placeOf(message)) ? opened : new Refusal('replayed');
}

/** User ids have no control characters. */
export function sessionName(from: string, sender: string, session: string): string {
  return `${from}\n${sender}\n${session}`;
}

function placeOf({ epoch, offset, key, revision }: Incoming): Place {
  if (epoch !== undefined && offset !== undefined) {
    return { epoch, offset };
  }
  return key !== undefined && revision !== undefined ? { key, revision } : undefined;
}
