import nacl from 'tweetnacl';
import { concat, decode, utf8 } from './encoding.js';

/** What two people compare over another channel: eight groups of four hex digits, of a user's name and public key. */
export function fingerprint(user: string, key: string): string {
  const bytes = decode(key, 32);
  if (!bytes) {
    throw new TypeError('A public key is 32 bytes as 43 characters of base64url.');
  }
  const hash = nacl.hash(concat(utf8(`orleans-realtime/fingerprint/1\n${user}\n`), bytes)).subarray(0, 16);
  const hex = [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.match(/.{4}/g)!.join(' ');
}
