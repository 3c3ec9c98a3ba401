import type { Message } from './messages.js';

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  // In pieces: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** The bytes of what is binary data as a whole, such as an ArrayBuffer or a typed array; else undefined. */
export function asBytes(data: unknown): Uint8Array | undefined {
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return undefined;
}

/** A message as JSON has it, with `encoding` where it has binary data, which becomes bytes (docs/api.md). */
export function fromWire(message: Message & { encoding?: 'base64' | 'mixed' }): Message {
  const { encoding, ...rest } = message;
  if (encoding === 'base64') return { ...rest, data: fromBase64(message.data as string) };
  if (encoding === 'mixed') return { ...rest, data: withBytes(message.data) };
  return message;
}

function withBytes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withBytes);
  if (typeof value !== 'object' || value === null) return value;
  const { encoding, data } = value as { encoding?: unknown; data?: unknown };
  if (encoding === 'base64' && typeof data === 'string') return fromBase64(data);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, withBytes(field)]));
}
