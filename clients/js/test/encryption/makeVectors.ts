// What tests/Encryption/vectors.json is made of; test/vectors.mjs writes it.
import nacl from 'tweetnacl';
import { concat, decode, encode, utf8 } from '../../src/encryption/encoding.js';
import { deviceKey, sealDirect, sealRoom } from '../../src/encryption/envelope.js';
import { fingerprint } from '../../src/encryption/fingerprint.js';
import { roomKeyId } from '../../src/encryption/roomKeys.js';

const bytes = (label: string, length: number) => nacl.hash(utf8(`vectors/${label}`)).subarray(0, length);
const device = (user: string, label = user) => ({ user, ...deviceKey(bytes(label, 32)) });
const [ann, bob, bob2, carol, mallory] = [device('ann'), device('bob'), device('bob', 'bob2'), device('carol'), device('mallory')];
/** Its key is in no directory. */
const stranger = device('ann', 'stranger');
const named = { ann, bob, bob2, carol, mallory, stranger };
type Name = keyof typeof named;

const session = encode(bytes('session', 16));
const roomKey = (room: string, label: string, generation: number) => {
  const key = bytes(label, 32);
  return { room, generation, key, id: roomKeyId(room, key, generation) };
};
const general = roomKey('general', 'general', 1);
const general2 = roomKey('general', 'general2', 2);
const alerts = roomKey('/admin:alerts', 'alerts', 2147483647);
const unknown = roomKey('general', 'unknown', 1);
const known = [general, general2, alerts];

const direct = (more: object = {}) => ({
  event: 'message', from: 'ann', to: 'bob', messageId: 'id-1', epoch: 'a1b2c3d4e5f6g7h8', offset: 1, ...more,
});
const inRoom = (more: object = {}) => ({
  room: 'general', event: 'message', from: 'ann', messageId: 'id-1', epoch: 'a1b2c3d4e5f6g7h8', offset: 1, ...more,
});
type Message = ReturnType<typeof direct> | ReturnType<typeof inRoom>;

const toBob = [bob.name, bob2.name];
const boxed = (message: Message, data: unknown = { text: 'hello' }, { n = 1, by = ann, to = toBob } = {}) =>
  ({ ...message, data: sealDirect(message, { session, n }, data, by, to) as any });
const secret = (message: Message, data: unknown = { text: 'hello' }, { n = 1, by = ann, key = general } = {}) =>
  ({ ...message, data: sealRoom(message, { session, n }, data, by.name, key) as any });

/** The same with something of the envelope changed. */
const changed = (message: any, changes: object) => ({ ...message, data: { ...message.data, ...changes } });
const without = (message: any, field: string) => {
  const { [field]: _, ...data } = message.data;
  return { ...message, data };
};
const flip = (text: string, at: number) => {
  const flipped = decode(text)!;
  flipped[at < 0 ? flipped.length + at : at]! ^= 1;
  return encode(flipped);
};
const boxOf = (plaintext: string) => {
  const nonce = nacl.randomBytes(24);
  return encode(concat(nonce, nacl.box(utf8(plaintext), nonce, bob.publicKey, ann.secretKey)));
};
const inside = (plaintext: string) => changed(boxed(direct()), { boxes: { [bob.name]: boxOf(plaintext) } });
const secretOf = (plaintext: string) => {
  const nonce = nacl.randomBytes(24);
  return changed(secret(inRoom()), { nonce: encode(nonce), body: encode(nacl.secretbox(utf8(plaintext), nonce, general.key)) });
};

const kindOf = (message: any) => ('room' in message ? 'room' : 'direct');
const opens = (name: string, message: any, expected: object = {}, reader: Name = 'bob') =>
  ({ name, kind: kindOf(message), device: reader, message, opens: { data: { text: 'hello' }, session, n: 1, ...expected } });
const refused = (name: string, code: string, message: any, more: { device?: Name; verified?: string[] } = {}) =>
  ({ name, kind: kindOf(message), device: 'bob', ...more, message, refused: code });

const datas = [null, true, 0, -1.5, '', 'Grüße 👋\u2028 "quoted" \\ \n', [], {}, [1, [2, { three: [] }]], { e2e: 1 }];
const plain = JSON.stringify({ from: 'ann', to: 'bob', event: 'message', id: 'id-1', session, n: 1, data: 1 });
const replaced = (text: string, by: string) => inside(plain.replace(text, by));
const latest = (revision: number, key = 'cursor') => ({ epoch: undefined, offset: undefined, delivery: 'latest', key, revision });
const transient = { epoch: undefined, offset: undefined, delivery: 'transient' };

const messages = [
  ...datas.map((data) => opens(`direct: ${JSON.stringify(data)}`, boxed(direct(), data), { data })),
  ...datas.map((data) => opens(`room: ${JSON.stringify(data)}`, secret(inRoom(), data), { data })),
  opens('direct: the second device', boxed(direct()), {}, 'bob2'),
  opens('direct: fields that are not described are ignored', inside(plain.replace('{', '{"more":1,')), { data: 1 }),
  opens('direct: a high count', boxed(direct(), undefined, { n: 2 ** 53 - 1 }), { n: 2 ** 53 - 1 }),
  opens('direct: the boxes of other devices are not looked at', changed(boxed(direct()), { boxes: { ...boxed(direct()).data.boxes, x: 1 } })),
  opens('direct: to oneself', boxed(direct({ from: 'bob' }), undefined, { by: bob })),
  opens('direct: other fields outside are ignored', changed(boxed(direct()), { more: true })),
  opens('direct: a latest value', boxed(direct(latest(1)))),
  opens('room: another namespace', secret(inRoom({ room: '/admin:alerts' }), undefined, { key: alerts })),
  opens('room: another key', secret(inRoom(), undefined, { key: general2 })),
  opens('room: a latest value', secret(inRoom(latest(3)))),
  opens('room: a transient message', secret(inRoom(transient))),

  refused('direct: plain', 'not_encrypted', { ...direct(), data: { text: 'hello' } }),
  refused('direct: plain text', 'not_encrypted', { ...direct(), data: '{"e2e": 1}' }),
  refused('direct: plain null', 'not_encrypted', { ...direct(), data: null }),
  refused('direct: plain array', 'not_encrypted', { ...direct(), data: [{ e2e: 1 }] }),
  refused('room: plain', 'not_encrypted', { ...inRoom(), data: { text: 'hello' } }),
  refused('room: binary', 'not_encrypted', { ...inRoom(), data: 'aGVsbG8=', encoding: 'base64' }),

  refused('direct: another version', 'malformed', changed(boxed(direct()), { e2e: 2 })),
  refused('direct: the version as text', 'malformed', changed(boxed(direct()), { e2e: '1' })),
  refused('direct: no version', 'malformed', changed(boxed(direct()), { e2e: null })),
  refused('direct: an envelope for rooms', 'malformed', { ...boxed(direct()), data: secret(inRoom()).data }),
  refused('room: an envelope for users', 'malformed', { ...secret(inRoom()), data: boxed(direct()).data }),
  refused('direct: no sender', 'malformed', without(boxed(direct()), 'sender')),
  refused('direct: a padded sender', 'malformed', changed(boxed(direct()), { sender: `${ann.name}=` })),
  refused('direct: a sender with left-over bits', 'malformed', changed(boxed(direct()), { sender: leftOver(ann.name) })),
  refused('direct: no boxes', 'malformed', without(boxed(direct()), 'boxes')),
  refused('direct: an array of boxes', 'malformed', changed(boxed(direct()), { boxes: [] })),
  refused('direct: a box that is no text', 'malformed', changed(boxed(direct()), { boxes: { [bob.name]: 1 } })),
  refused('direct: a box in the alphabet of base64', 'malformed', changed(boxed(direct()), { boxes: { [bob.name]: `${'A'.repeat(60)}+/==` } })),
  refused('direct: a box shorter than nonce and authenticator', 'malformed', changed(boxed(direct()), { boxes: { [bob.name]: encode(new Uint8Array(39)) } })),
  refused('direct: malformed comes before unknown_sender_key', 'malformed', changed(boxed(direct(), null, { by: stranger }), { boxes: { [bob.name]: '!' } })),
  refused('room: no key', 'malformed', without(secret(inRoom()), 'key')),
  refused('room: a short key id', 'malformed', changed(secret(inRoom()), { key: encode(new Uint8Array(15)) })),
  refused('room: no nonce', 'malformed', without(secret(inRoom()), 'nonce')),
  refused('room: a long nonce', 'malformed', changed(secret(inRoom()), { nonce: encode(new Uint8Array(25)) })),
  refused('room: no body', 'malformed', without(secret(inRoom()), 'body')),
  refused('room: a body shorter than the authenticator', 'malformed', changed(secret(inRoom()), { body: encode(new Uint8Array(15)) })),
  refused('room: a body with a length that base64 has not', 'malformed', changed(secret(inRoom()), { body: 'A'.repeat(41) })),

  refused('direct: a key that is in no directory', 'unknown_sender_key', boxed(direct(), null, { by: stranger })),
  refused('direct: another user\'s key', 'unknown_sender_key', boxed(direct(), null, { by: mallory })),
  refused('direct: published by nobody', 'unknown_sender_key', boxed(direct({ from: undefined }), null)),
  refused('room: another user\'s key', 'unknown_sender_key', secret(inRoom({ from: 'mallory' }))),
  refused('room: unknown_sender_key comes before unknown_room_key', 'unknown_sender_key', secret(inRoom(), null, { by: stranger, key: unknown })),

  refused('direct: not verified', 'unverified_key', boxed(direct()), { verified: [carol.name] }),
  refused('room: not verified', 'unverified_key', secret(inRoom()), { verified: [] }),
  { ...opens('direct: verified', boxed(direct())), verified: [ann.name] },

  refused('direct: no box for this device', 'not_for_this_device', boxed(direct(), null, { to: [bob2.name] })),
  refused('direct: no box at all', 'not_for_this_device', boxed(direct(), null, { to: [] })),
  refused('room: a key that is not known', 'unknown_room_key', secret(inRoom(), null, { key: unknown })),

  refused('direct: a bit of the nonce', 'tampered', tamperedBox(0)),
  refused('direct: a bit of the authenticator', 'tampered', tamperedBox(24)),
  refused('direct: the last bit', 'tampered', tamperedBox(-1)),
  refused('direct: truncated', 'tampered', changed(boxed(direct()), { boxes: { [bob.name]: encode(decode(boxed(direct()).data.boxes[bob.name])!.subarray(0, 60)) } })),
  refused('direct: another device\'s box', 'tampered', changed(boxed(direct()), { boxes: { [bob.name]: boxed(direct()).data.boxes[bob2.name] } })),
  refused('direct: boxed with another key than it says', 'tampered', changed(boxed(direct(), null, { by: mallory }), { sender: ann.name })),
  refused('room: a bit of the nonce', 'tampered', flipped('nonce', 3)),
  refused('room: a bit of the authenticator', 'tampered', flipped('body', 0)),
  refused('room: the last bit', 'tampered', flipped('body', -1)),
  refused('room: another key\'s id', 'tampered', changed(secret(inRoom()), { key: general2.id })),

  refused('direct: inside is no JSON', 'malformed', inside('hello')),
  refused('direct: inside is nothing', 'malformed', inside('')),
  refused('direct: inside is an array', 'malformed', inside('[]')),
  refused('direct: inside is null', 'malformed', inside('null')),
  refused('direct: inside begins with a byte order mark', 'malformed', inside(`\ufeff${plain}`)),
  refused('direct: inside has no data', 'malformed', replaced(',"data":1', '')),
  refused('direct: inside has no session', 'malformed', replaced(`"session":"${session}",`, '')),
  refused('direct: inside has a short session', 'malformed', replaced(session, session.slice(0, 20))),
  refused('direct: inside has no count', 'malformed', replaced('"n":1,', '')),
  refused('direct: inside counts from 0', 'malformed', replaced('"n":1', '"n":0')),
  refused('direct: inside counts in text', 'malformed', replaced('"n":1', '"n":"1"')),
  refused('direct: inside counts in fractions', 'malformed', replaced('"n":1', '"n":1.5')),
  refused('direct: inside counts too far', 'malformed', replaced('"n":1', '"n":9007199254740992')),
  refused('direct: inside has no sender', 'malformed', replaced('"from":"ann",', '')),
  refused('direct: inside has no recipient', 'malformed', replaced('"to":"bob",', '')),
  refused('direct: inside has no id', 'malformed', replaced('"id":"id-1",', '')),
  refused('direct: inside has an id that is no text', 'malformed', replaced('"id":"id-1"', '"id":1')),
  refused('direct: inside has no event', 'malformed', replaced('"event":"message",', '')),
  refused('room: inside is no JSON', 'malformed', secretOf('{')),
  refused('room: inside is a direct message', 'malformed', secretOf(plain)),

  refused('direct: to another user', 'mismatch', { ...boxed(direct({ to: 'carol' })), to: 'bob' }),
  refused('direct: by another user', 'mismatch', { ...boxed(direct({ from: 'carol' })), from: 'ann' }),
  refused('direct: under another id', 'mismatch', { ...boxed(direct()), messageId: 'id-2' }),
  refused('direct: without an id', 'mismatch', { ...boxed(direct()), messageId: undefined }),
  refused('direct: as another event', 'mismatch', { ...boxed(direct()), event: 'e2e:room-key' }),
  refused('direct: as another key\'s value', 'mismatch', { ...boxed(direct(latest(1))), key: 'other' }),
  refused('direct: as no key\'s value', 'mismatch', { ...boxed(direct(latest(1))), ...direct(), key: undefined, revision: undefined, delivery: undefined }),
  refused('direct: as a key\'s value', 'mismatch', { ...boxed(direct()), ...latest(1) }),
  refused('room: in another room', 'mismatch', { ...secret(inRoom()), room: 'random' }),
  refused('room: by another user', 'mismatch', { ...secret(inRoom({ from: 'carol' })), from: 'ann' }),
  refused('room: by another device', 'mismatch', changed(secret(inRoom(), null, { by: stranger }), { sender: ann.name })),
  refused('room: under another id', 'mismatch', { ...secret(inRoom()), messageId: 'id-2' }),
  refused('room: as another event', 'mismatch', { ...secret(inRoom()), event: 'other' }),
];

function leftOver(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return text.slice(0, -1) + alphabet[alphabet.indexOf(text.at(-1)!) | 1];
}

function tamperedBox(at: number) {
  const message = boxed(direct());
  return changed(message, { boxes: { ...message.data.boxes, [bob.name]: flip(message.data.boxes[bob.name], at) } });
}

function flipped(field: 'nonce' | 'body', at: number) {
  const message = secret(inRoom());
  return changed(message, { [field]: flip(message.data[field], at) });
}

// Each is read by a client that has read those before it.
const at = (offset: number, more: object = {}) => ({ offset, messageId: `id-${offset}`, ...more });
const sent = (n: number, offset: number, more: object = {}) => secret(inRoom(at(offset, more)), n, { n });
const [first, second, third] = [sent(1, 1), sent(2, 2), sent(3, 3)];
const hint = secret(inRoom({ ...transient, messageId: 'hint' }), 'hint', { n: 4 });
const value = secret(inRoom({ ...latest(1), messageId: 'value' }), 'value', { n: 5 });
const newer = secret(inRoom({ ...latest(2), messageId: 'newer' }), 'newer', { n: 6 });
const other = (message: any, more: object) => ({ ...message, ...more });
const sequence = (name: string, ...steps: [message: object, refused?: string][]) =>
  ({ name, kind: 'room', device: 'bob', steps: steps.map(([message, code]) => ({ message, ...(code && { refused: code }) })) });
const sequences = [
  sequence('the same message at the same place is no replay', [first], [second], [first], [second]),
  sequence('older pages may be read later', [third], [first], [second]),
  sequence('counts may have gaps', [first], [third]),
  sequence('at another offset', [first], [other(first, { offset: 2 }), 'replayed'], [second]),
  sequence('at an earlier offset', [third], [other(third, { offset: 1 }), 'replayed'], [first]),
  sequence('out of the sender\'s order', [second], [other(first, { offset: 3 }), 'replayed']),
  sequence('out of the sender\'s order, the older read later', [second], [other(third, { offset: 1 }), 'replayed']),
  sequence('another message at the same place', [first], [other(second, { offset: 1 }), 'replayed']),
  sequence('again in another epoch', [first], [second], [other(second, { epoch: 'another', offset: 1 }), 'replayed'], [other(third, { epoch: 'another', offset: 2 })]),
  sequence('again as a transient message', [first], [other(first, transient), 'replayed']),
  sequence('a transient message twice', [hint], [hint, 'replayed']),
  sequence('a transient message that overtook', [hint], [third]),
  sequence('a transient message with a place', [hint], [other(hint, { epoch: 'a1b2c3d4e5f6g7h8', offset: 1 }), 'replayed']),
  sequence('a latest value again at the same revision', [value], [value], [newer], [newer]),
  sequence('a latest value at another revision', [value], [newer], [other(value, { revision: 3 }), 'replayed']),
  sequence('refused messages are not remembered', [other(first, { messageId: 'x' }), 'mismatch'], [first]),
];

// Which key bob encrypts with, after each step. Keys are named by their index in roomKeys of the room general.
const handed = (key: number, from: string, answersOwn: boolean, holders?: string[]) => ({ handed: { key, from, answersOwn, ...(holders && { holders }) } });
const freshness = [
  { name: 'what came in answer to a request, with holders who are all there', steps: [
    { present: ['ann'] }, { ...handed(0, 'ann', true, ['ann', 'bob']), use: 0 }, { joined: 'carol', use: 0 }, { left: 'carol', use: null }, { joined: 'carol', use: null },
    { ...handed(0, 'ann', true, ['ann', 'bob', 'carol']), use: 0 },
  ] },
  { name: 'not what came unasked', steps: [{ present: ['ann'] }, { ...handed(0, 'ann', false, ['ann', 'bob']), use: null }] },
  { name: 'not what came without holders', steps: [{ present: ['ann'] }, { ...handed(0, 'ann', true), use: null }] },
  { name: 'not with a holder who is not there', steps: [{ present: ['ann'] }, { ...handed(0, 'ann', true, ['ann', 'carol']), use: null }] },
  { name: 'not from somebody who is not there', steps: [{ present: ['ann'] }, { ...handed(0, 'carol', true, ['ann', 'bob']), use: null }] },
  { name: 'the highest generation', steps: [
    { present: ['ann'] }, { ...handed(0, 'ann', true, ['ann']), use: 0 }, { ...handed(1, 'ann', true, ['ann']), use: 1 }, { left: 'ann', use: null },
  ] },
  { name: 'none after the stay', steps: [
    { present: ['ann'] }, { ...handed(0, 'ann', true, ['ann']), use: 0 }, { stayEnds: true, use: null }, { present: ['ann'], use: null },
    { ...handed(0, 'ann', true, ['ann', 'bob']), use: 0 },
  ] },
  { name: 'none with somebody who has asked and is not there', steps: [{ present: ['ann'] }, { ...handed(0, 'ann', true, ['ann']), use: 0 }, { asked: 'carol', use: null }] },
].map(({ name, steps }) => ({ name, steps: steps.map((step) => ({ use: null, ...step })) }));

const handOver = { room: 'general', key: encode(general.key), generation: 1 };
const ask = encode(bytes('ask', 16));
const handOvers = {
  valid: [handOver, { ...handOver, holders: [] }, { ...handOver, holders: ['ann', 'bob'], ask }, { ...handOver, generation: 2147483647 }, { ...handOver, more: 1 }],
  invalid: [
    null, [], 'text', {}, { ...handOver, room: undefined }, { ...handOver, room: 1 }, { ...handOver, key: undefined }, { ...handOver, key: `${handOver.key}=` },
    { ...handOver, key: ask }, { ...handOver, generation: undefined }, { ...handOver, generation: 0 }, { ...handOver, generation: -1 }, { ...handOver, generation: 1.5 },
    { ...handOver, generation: '1' }, { ...handOver, generation: 2147483648 }, { ...handOver, holders: null }, { ...handOver, holders: 'ann' },
    { ...handOver, holders: [1] }, { ...handOver, ask: null }, { ...handOver, ask: '' }, { ...handOver, ask: handOver.key },
  ],
};

export const vectors = {
  about: 'Vectors of docs/encryption.md, written by clients/js/test/vectors.mjs. A message is as the server sends it, with the reader as "to" where it is direct; '
    + '"device" names the reader\'s device. The reader knows "directory", and of "roomKeys" those that are "known"; with "verified" it uses only these keys. '
    + 'Each of "messages" is read by a client that has read nothing before, the steps of each of "sequences" one after the other by the same client. '
    + '"freshness" tells which key (by its index in "roomKeys") the user bob encrypts with in the room general after each step; null where he has to make or ask for one. '
    + '"handOvers" is the data of hand-overs.',
  base64url: {
    valid: [['', ''], ['AA', '00'], ['AAA', '0000'], ['_-8', 'ffef'], ['AAAA', '000000']].map(([text, hex]) => ({ text, hex })),
    invalid: ['A', 'AB', 'AAB', 'AA==', 'AA=', '+/8', 'AAAAA', 'AA A', 'AA\n', 'Ä', 'AAA.'],
  },
  devices: Object.fromEntries(Object.entries(named).map(([name, { user, secretKey, name: key }]) =>
    [name, { user, secretKey: encode(secretKey), publicKey: key, fingerprint: fingerprint(user, key) }])),
  fingerprints: [
    { user: 'Grüße 👋', key: ann.name, fingerprint: fingerprint('Grüße 👋', ann.name) },
  ],
  directory: { ann: [ann.name], bob: [bob2.name, bob.name], carol: [carol.name], mallory: [mallory.name] },
  roomKeys: [...known, unknown].map((each) => ({ ...each, key: encode(each.key), known: each !== unknown })),
  messages,
  sequences,
  freshness,
  handOvers,
};
