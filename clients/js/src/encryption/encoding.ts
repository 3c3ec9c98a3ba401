const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const codes = Uint8Array.from(alphabet, (character) => character.charCodeAt(0));
/** By the character's code; 255 for what is not in the alphabet. */
const values = new Uint8Array(128).fill(255);
codes.forEach((code, value) => (values[code] = value));

const ascii = new TextDecoder();

/** base64url without padding. */
export function encode(bytes: Uint8Array): string {
  const text = new Uint8Array(Math.ceil((bytes.length * 4) / 3));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < bytes.length; i++) {
    bits = ((bits << 8) | bytes[i]!) & 0xffff;
    held += 8;
    while (held >= 6) {
      held -= 6;
      text[at++] = codes[(bits >> held) & 63]!;
    }
  }
  if (held > 0) {
    text[at] = codes[(bits << (6 - held)) & 63]!;
  }
  return ascii.decode(text);
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
  for (let i = 0; i < text.length; i++) {
    const value = values[text.charCodeAt(i)] ?? 255;
    if (value === 255) {
      return undefined;
    }
    bits = ((bits << 6) | value) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes[at++] = bits >> held;
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
