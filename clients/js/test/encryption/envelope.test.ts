import { describe, expect, test } from 'vitest';
import nacl from 'tweetnacl';
import { decode, encode } from '../../src/encryption/encoding.js';
import { deviceKey, newId, sealDirect, sealRoom } from '../../src/encryption/envelope.js';
import { type Incoming, openMessage, type Reader } from '../../src/encryption/opening.js';
import { Refusal, type RefusalCode } from '../../src/encryption/refusal.js';
import { Replays } from '../../src/encryption/replays.js';
import { roomKeyId } from '../../src/encryption/roomKeys.js';

const ann = deviceKey();
const bob = deviceKey();
const key = nacl.randomBytes(32);
const general = { id: roomKeyId('general', key, 1), key };
const directory = new Map([['ann', [ann.name]], ['bob', [bob.name]]]);
const count = { session: newId(), n: 1 };
const codes: RefusalCode[] = [
  'not_encrypted', 'malformed', 'unknown_sender_key', 'unverified_key', 'not_for_this_device', 'unknown_room_key', 'tampered', 'mismatch', 'replayed',
];

const reader = (): Reader => ({
  device: bob,
  isKeyOf: (user, name) => directory.get(user)?.includes(name) ?? false,
  mayUse: () => true,
  roomKey: (id) => (id === general.id ? key : undefined),
  replays: new Replays(),
});
const direct = (data: unknown = 'secret'): Incoming => {
  const message = { event: 'message', from: 'ann', to: 'bob', messageId: 'm', epoch: 'e', offset: 1 };
  return { ...message, data: sealDirect(message, count, data, ann, [bob.name]) };
};
const inRoom = (data: unknown = 'secret'): Incoming => {
  const message = { room: 'general', event: 'message', from: 'ann', messageId: 'm', epoch: 'e', offset: 1 };
  return { ...message, data: sealRoom(message, count, data, ann.name, general) };
};

/** The code; and it is an error if it opens or throws. */
function refusal(kind: 'direct' | 'room', message: Incoming): RefusalCode {
  const result = openMessage(kind, message, reader());
  if (!(result instanceof Refusal)) {
    throw new Error(`It has opened: ${JSON.stringify(message)}`);
  }
  expect(codes).toContain(result.code);
  expect(result.message).not.toBe('');
  return result.code;
}

describe.each(['direct', 'room'] as const)('A %s envelope', (kind) => {
  const make = (data?: unknown) => (kind === 'direct' ? direct(data) : inRoom(data));
  const ciphertext = (message: any): string => (kind === 'direct' ? message.data.boxes[bob.name] : message.data.body);
  const withCiphertext = (message: any, text: string): Incoming =>
    ({ ...message, data: { ...message.data, ...(kind === 'direct' ? { boxes: { [bob.name]: text } } : { body: text }) } });

  test('opens', () => {
    expect(openMessage(kind, make({ a: [1] }), reader())).toEqual({ ...count, data: { a: [1] } });
  });

  test('has nothing of the plaintext in it', () => {
    const text = JSON.stringify(make('a very secret text'));
    expect(text).not.toContain('secret');
    expect(text).not.toContain(encode(Buffer.from('a very secret text')).slice(2, -2));
  });

  test('with any bit flipped is refused as tampered', () => {
    const message = make();
    const bytes = decode(ciphertext(message))!;
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(refusal(kind, withCiphertext(message, encode(flipped)))).toBe('tampered');
    }
  });

  test('truncated anywhere is refused', () => {
    const message = make();
    const bytes = decode(ciphertext(message))!;
    const overhead = kind === 'direct' ? 40 : 16;
    for (let length = 0; length < bytes.length; length++) {
      const code = refusal(kind, withCiphertext(message, encode(bytes.subarray(0, length))));
      expect(code).toBe(length < overhead ? 'malformed' : 'tampered');
    }
  });

  test('truncated as text, or longer, is refused', () => {
    const message = make();
    const text = ciphertext(message);
    for (let length = 0; length < text.length; length++) {
      refusal(kind, withCiphertext(message, text.slice(0, length)));
    }
    for (const more of ['=', 'A', 'AAAA', '\n', '\0']) {
      refusal(kind, withCiphertext(message, text + more));
    }
  });

  test('with any value in any place is refused, or opens to what was written, and never throws', () => {
    const values = [undefined, null, 0, 1, 2, -1, NaN, Infinity, true, '', 'x', '__proto__', 'A'.repeat(43), 'A'.repeat(1e5), [], {}, [[]], { length: 3 },
      { toString: null }, Object.create(null), { __proto__: { e2e: 1 } }, ann.name, bob.name, 'direct', 'room', Symbol('s'), () => 1, new Uint8Array(40)];
    const fields = ['e2e', 'kind', 'sender', 'boxes', 'key', 'nonce', 'body', '__proto__', 'constructor'];
    for (const value of values) {
      for (const field of fields) {
        for (const message of [direct(), inRoom()] as any[]) {
          const changed = { ...message.data };
          Object.defineProperty(changed, field, { value, enumerable: true });
          const result = openMessage(kind, { ...message, data: changed }, reader());
          expect(result instanceof Refusal || result.data === 'secret').toBe(true);
        }
      }
      refusal(kind, { ...make(), data: value });
      refusal(kind, { ...make(), data: { e2e: 1, kind, sender: ann.name, boxes: value, key: value, nonce: value, body: value } });
      if (kind === 'direct') {
        refusal(kind, { ...make(), data: { ...(make().data as object), boxes: { [bob.name]: value } } });
      }
      for (const field of ['from', 'messageId', 'event', kind === 'direct' ? 'to' : 'room', 'key'] as const) {
        const result = openMessage(kind, { ...make(), [field]: value } as any, reader());
        expect(result instanceof Refusal || (field === 'key' && value === undefined)).toBe(true);
      }
    }
  });

  test('with any character of its JSON changed is refused, or still says the same', () => {
    const message = make();
    const json = JSON.stringify(message.data);
    for (let at = 0; at < json.length; at++) {
      for (const character of ['', 'A', '"', '0', '}']) {
        let data: unknown;
        try {
          data = JSON.parse(json.slice(0, at) + character + json.slice(at + 1));
        } catch {
          continue;
        }
        const result = openMessage(kind, { ...message, data }, reader());
        expect(result instanceof Refusal || result.data === 'secret').toBe(true);
      }
    }
  });

  test('under another key is tampered', () => {
    if (kind === 'direct') {
      const mallory = deviceKey();
      const message = { event: 'message', from: 'ann', to: 'bob', messageId: 'm' };
      const data = { ...sealDirect(message, count, 1, mallory, [bob.name]), sender: ann.name };
      expect(refusal(kind, { ...message, data })).toBe('tampered');
    } else {
      const message = { room: 'general', event: 'message', from: 'ann', messageId: 'm' };
      expect(refusal(kind, { ...message, data: sealRoom(message, count, 1, ann.name, { id: general.id, key: nacl.randomBytes(32) }) })).toBe('tampered');
    }
  });

  test('of any JSON opens to the same', () => {
    const random = (depth: number): unknown => {
      const list = () => Array.from({ length: Math.floor(Math.random() * 4) }, () => random(depth + 1));
      const kinds = [
        () => null, () => Math.random() < 0.5, () => Math.random() * 1e9, () => Math.floor(Math.random() * 1e6),
        () => String.fromCharCode(...Array.from({ length: 5 }, () => Math.floor(Math.random() * 0xd800))),
        list, () => Object.fromEntries(list().map((value, i) => [`k${i}`, value])),
      ];
      return kinds[Math.floor(Math.random() * (depth > 4 ? 5 : 7))]!();
    };
    for (let i = 0; i < 300; i++) {
      const data = random(0);
      expect(openMessage(kind, make(data), reader())).toMatchObject({ data: JSON.parse(JSON.stringify(data)) });
    }
    for (const nothing of [undefined, () => 1, Symbol('s')]) {
      expect(openMessage(kind, make(nothing), reader())).toMatchObject({ data: nothing === undefined ? 'secret' : null });
    }
  });

  test('never has the same nonce, over many messages', () => {
    const nonces = new Set<string>();
    for (let i = 0; i < 5000; i++) {
      const { data } = make() as any;
      nonces.add(kind === 'direct' ? encode(decode(data.boxes[bob.name])!.subarray(0, 24)) : data.nonce);
    }
    expect(nonces.size).toBe(5000);
  });
});

test('Each box of a message has a nonce of its own', () => {
  const recipients = Array.from({ length: 10 }, () => deviceKey().name);
  const { boxes } = sealDirect({ event: 'e', from: 'ann', to: 'bob', messageId: 'm' }, count, 1, ann, recipients);
  expect(new Set(Object.values(boxes).map((box) => box.slice(0, 32))).size).toBe(10);
});

describe('Swapped', () => {
  const rooms = ['general', 'random', '/admin:general'];
  const users = ['ann', 'bob', 'carol'];

  test.each(rooms)('an envelope for %s is refused in every other room', (room) => {
    const message = { room, event: 'message', from: 'ann', messageId: 'm' };
    const data = sealRoom(message, count, 1, ann.name, general);
    for (const other of rooms) {
      const result = openMessage('room', { ...message, room: other, data }, reader());
      expect(result instanceof Refusal ? result.code : 'opened').toBe(other === room ? 'opened' : 'mismatch');
    }
  });

  test('an envelope is refused from and to everybody else', () => {
    const all = Object.fromEntries(users.map((user) => [user, deviceKey()]));
    const names = Object.values(all).map((each) => each.name);
    const message = { event: 'message', from: 'ann', to: 'bob', messageId: 'm' };
    const data = sealDirect(message, count, 1, all.ann!, names);
    for (const from of users) {
      for (const to of users) {
        // A directory that lists everybody's keys under everybody's name does not help the server.
        const result = openMessage('direct', { ...message, from, to, data }, { ...reader(), device: all[to]!, isKeyOf: () => true });
        expect(result instanceof Refusal ? result.code : 'opened').toBe(from === 'ann' && to === 'bob' ? 'opened' : 'mismatch');
      }
    }
  });

  test('a message that comes back to its sender is not from the recipient', () => {
    const message = direct();
    const back = openMessage('direct', { ...message, from: 'bob', to: 'ann' }, { ...reader(), device: ann });
    expect(back).toMatchObject({ code: 'unknown_sender_key' });
    const boxes = { [ann.name]: (message.data as any).boxes[bob.name] };
    const claimed = openMessage('direct', { ...message, from: 'bob', to: 'ann', data: { ...(message.data as object), sender: bob.name, boxes } }, { ...reader(), device: ann });
    expect(claimed).toMatchObject({ code: 'mismatch' });
  });
});
