import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decode, encode } from '../../src/encryption/encoding.js';
import { deviceKey, sealDirect, sealRoom } from '../../src/encryption/envelope.js';
import { fingerprint } from '../../src/encryption/fingerprint.js';
import { openMessage, type Reader } from '../../src/encryption/opening.js';
import { Refusal } from '../../src/encryption/refusal.js';
import { Replays } from '../../src/encryption/replays.js';
import { readHandOver, roomKeyId, RoomKeys } from '../../src/encryption/roomKeys.js';

const vectors = JSON.parse(readFileSync(new URL('../../../../tests/Encryption/vectors.json', import.meta.url), 'utf8'));

function reader({ device, verified }: { device: string; verified?: string[] }): Reader {
  return {
    device: deviceKey(decode(vectors.devices[device].secretKey)!),
    isKeyOf: (user, key) => vectors.directory[user]?.includes(key) ?? false,
    mayUse: (_, key) => verified?.includes(key) ?? true,
    roomKey: (id) => decode(vectors.roomKeys.find((each: any) => each.id === id && each.known)?.key),
    replays: new Replays(),
  };
}

const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex');
const resultOf = (result: unknown) => (result instanceof Refusal ? { refused: result.code } : { opens: result });

describe('The vectors that both clients check', () => {
  test('base64url', () => {
    for (const { text, hex: bytes } of vectors.base64url.valid) {
      expect(hex(decode(text))).toBe(bytes);
      expect(encode(Buffer.from(bytes, 'hex'))).toBe(text);
    }
    for (const text of vectors.base64url.invalid) {
      expect(decode(text), text).toBeUndefined();
    }
  });

  test.each(Object.entries<any>(vectors.devices))('the device of %s', (_, { user, secretKey, publicKey, fingerprint: expected }) => {
    expect(deviceKey(decode(secretKey)!).name).toBe(publicKey);
    expect(fingerprint(user, publicKey)).toBe(expected);
  });

  test('fingerprints', () => {
    for (const each of vectors.fingerprints) {
      expect(fingerprint(each.user, each.key)).toBe(each.fingerprint);
    }
  });

  test.each<any>(vectors.roomKeys)('the id of the key of $room, generation $generation', ({ room, key, generation, id }) => {
    expect(roomKeyId(room, decode(key)!, generation)).toBe(id);
  });

  test.each<any>(vectors.messages)('$name', (vector) => {
    const { opens, refused } = vector;
    expect(resultOf(openMessage(vector.kind, vector.message, reader(vector)))).toEqual(refused ? { refused } : { opens });
  });

  test.each<any>(vectors.sequences)('a sequence: $name', (vector) => {
    const bob = reader(vector);
    const results = vector.steps.map(({ message }: any) => {
      const result = openMessage(vector.kind, message, bob);
      return result instanceof Refusal ? result.code : undefined;
    });
    expect(results).toEqual(vector.steps.map((step: any) => step.refused));
  });

  test.each<any>(vectors.freshness)('which key to encrypt with: $name', ({ steps }) => {
    const keys = new RoomKeys('general', 'bob');
    for (const { present, handed, joined, left, asked, stayEnds, use } of steps) {
      if (present) keys.present(present);
      if (handed) {
        const { room, key, generation } = vectors.roomKeys[handed.key];
        keys.handed({ room, key, generation, holders: handed.holders }, handed.from, handed.answersOwn);
      }
      if (joined) keys.joined(joined);
      if (left) keys.left(left);
      if (asked) keys.mayHave(asked);
      if (stayEnds) keys.endStay();
      expect(keys.toEncryptWith()?.id ?? null).toBe(use === null ? null : vectors.roomKeys[use].id);
    }
  });

  test('hand-overs', () => {
    vectors.handOvers.valid.forEach((data: unknown) => expect(readHandOver(data)).toEqual(data));
    vectors.handOvers.invalid.forEach((data: unknown) => expect(readHandOver(data), JSON.stringify(data)).toBeUndefined());
  });

  test.each<any>(vectors.messages.filter((each: any) => each.opens))('sealed anew it opens as well: $name', (vector) => {
    const { data, session, n } = vector.opens;
    const { message } = vector;
    const sender = Object.values<any>(vectors.devices).find((each) => each.publicKey === message.data.sender);
    const device = deviceKey(decode(sender.secretKey)!);
    const key = vectors.roomKeys.find((each: any) => each.id === message.data.key);
    const sealed = vector.kind === 'direct'
      ? sealDirect(message, { session, n }, data, device, vectors.directory.bob)
      : sealRoom(message, { session, n }, data, device.name, { id: key.id, key: decode(key.key)! });
    const received = { ...message, data: JSON.parse(JSON.stringify(sealed)) };
    expect(openMessage(vector.kind, received, reader(vector))).toEqual(vector.opens);
  });
});
