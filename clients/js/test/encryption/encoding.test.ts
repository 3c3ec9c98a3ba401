import { expect, test } from 'vitest';
import nacl from 'tweetnacl';
import { decode, encode } from '../../src/encryption/encoding.js';

test('What is encoded is what Node encodes, and decodes to the same bytes', () => {
  for (let length = 0; length < 100; length++) {
    const bytes = nacl.randomBytes(length);
    const text = Buffer.from(bytes).toString('base64url');
    expect(encode(bytes)).toBe(text);
    expect(decode(text)).toEqual(bytes);
    expect(decode(text, length)).toEqual(bytes);
    expect(decode(text, length + 1)).toBeUndefined();
  }
});

test('Every text that decodes is the one way to write its bytes', () => {
  const characters = ['A', 'B', 'Q', 'g', 'w', '-', '_', '=', '+', '/', ' ', 'é'];
  for (let length = 0; length <= 4; length++) {
    for (let number = 0; number < characters.length ** length; number++) {
      const text = Array.from({ length }, (_, i) => characters[Math.floor(number / characters.length ** i) % characters.length]).join('');
      const bytes = decode(text);
      if (bytes) {
        expect(encode(bytes)).toBe(text);
      }
    }
  }
});

test('What is no text does not decode', () => {
  for (const value of [undefined, null, 1, {}, [], ['AAAA'], true]) {
    expect(decode(value)).toBeUndefined();
  }
});
