const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const values = new Map([...alphabet].map((character, value) => [character, value]));

/** base64url without padding. */
export function encode(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a, b = 0, c = 0] = bytes.subarray(i, i + 3);
    const bits = (a! << 16) | (b << 8) | c;
    const characters = Math.min(bytes.length - i, 3) + 1;
    for (let k = 0; k < characters; k++) {
      text += alphabet[(bits >> (18 - 6 * k)) & 63];
    }
  }
  return text;
}

/**
 * Strict: undefined for anything but the one way to write these bytes (no padding, no other alphabet, left-over bits zero), or where
 * their number is not the one wanted.
 */
export function decode(text: unknown, length?: number): Uint8Array | undefined {
  if (typeof text !== 'string' || text.length % 4 === 1) {
    return undefined;
  }
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  if (length !== undefined && bytes.length !== length) {
    return undefined;
  }
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const character of text) {
    const value = values.get(character);
    if (value === undefined) {
      return undefined;
    }
    bits = ((bits << 6) | value) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes[at++] = (bits >> held) & 255;
    }
  }
  return (bits & ((1 << held) - 1)) === 0 ? bytes : undefined;
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Undefined where the bytes are not UTF-8. */
export function fromUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
