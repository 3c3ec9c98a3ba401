import { readdirSync, readFileSync } from 'node:fs';
import { join as pathOf } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Client, Room } from '../../src/api.js';
import { encryption, type Encryption, type EncryptionOptions, type KeyStore, memoryKeyStore } from '../../src/encryption/index.js';
import type { Message } from '../../src/index.js';
import { clientOf } from '../support/clients.js';
import { Gateway } from '../support/gateway.js';
import { Network } from '../support/network.js';

// Against the real server. What is secret in any of these tests has this in it, and it must be nowhere on the disk.
const secret = 'wombat';

let gateway: Gateway;
let number = 0;

// It remembers one message id of each channel, so whoever repeats a message after another one has it delivered again.
beforeAll(async () => {
  gateway = await Gateway.start({ 'Realtime:Channels:DeduplicationCount': '1' });
}, 60_000);
afterAll(() => gateway.stop());

interface Device {
  user: string;
  client: Client;
  e2e: Encryption;
  directs: Message[];
  refused: { code: string; refused: Message }[];
  changed: string[];
  room?: Room;
  messages: Message[];
}

async function device(user: string, { transport = 'signalr', url = gateway.url, ...options }: EncryptionOptions & { transport?: 'signalr' | 'sse'; url?: string } = {}): Promise<Device> {
  const client = clientOf(gateway, user, { transport, url });
  const e2e = encryption(client, options);
  const it: Device = { user, client, e2e, directs: [], refused: [], changed: [], messages: [] };
  client.on('direct', (message) => it.directs.push(message));
  e2e.on('refused', (refusal) => it.refused.push(refusal));
  e2e.on('keyChanged', (changed) => it.changed.push(changed.user));
  await client.connected();
  const { key } = await e2e.device();
  await eventually(async () => expect((await client.keys.list(user)).keys.map((each) => each.key)).toContain(key));
  return it;
}

async function join(it: Device, name: string): Promise<Device> {
  it.room = it.e2e.room(name);
  it.room.on('message', (message) => it.messages.push(message));
  await it.room.join();
  return it;
}

/** Fresh names for each test: the server goes on. */
function names(): { room: string; ann: string; bob: string; carol: string; dave: string; mallory: string } {
  const suffix = ++number;
  return { room: `room-${suffix}`, ann: `ann-${suffix}`, bob: `bob-${suffix}`, carol: `carol-${suffix}`, dave: `dave-${suffix}`, mallory: `mallory-${suffix}` };
}

/** REST, as anybody with a token has it. */
async function call(user: string, method: string, path: string, body?: unknown): Promise<any> {
  const response = await fetch(`${gateway.url}/api/${path}`, {
    method,
    headers: { Authorization: `Bearer ${await gateway.token(user)}`, 'Content-Type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** All files of the server's log, as they are. */
function files(): Buffer[] {
  return readdirSync(gateway.dataFolder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(pathOf(entry.parentPath, entry.name)));
}

const eventually = <T>(condition: () => T | Promise<T>) => vi.waitFor(condition, { timeout: 10_000, interval: 20 });
const dataOf = (messages: Message[]) => messages.map(({ data }) => data);
const say = (it: Device, data: unknown) => it.room!.send(data).kept;
const rawRoom = async (room: string, user: string): Promise<any[]> => (await call(user, 'GET', `rooms/${room}/messages?limit=500`)).messages;
const rawInbox = async (user: string): Promise<any[]> => (await call(user, 'GET', `users/${user}/messages?limit=500`)).messages;
/** Flips the lowest bit of the value that a character in the middle stands for. */
const flip = (text: string) => text.slice(0, 40) + (text[40] === 'A' ? 'B' : 'A') + text.slice(41);

describe('Direct messages', () => {
  test('go both ways, and say that they were encrypted', async () => {
    const name = names();
    const [ann, bob] = [await device(name.ann), await device(name.bob)];
    ann.e2e.direct(name.bob);
    bob.e2e.direct(name.ann);
    await ann.e2e.direct(name.bob).send({ text: `${secret} 1` }).kept;
    await bob.e2e.direct(name.ann).send({ text: `${secret} 2` }).kept;
    await eventually(() => expect([bob.directs, ann.directs]).toMatchObject([
      [{ from: name.ann, event: 'message', data: { text: `${secret} 1` }, encrypted: true }],
      [{ from: name.bob, event: 'message', data: { text: `${secret} 2` }, encrypted: true }],
    ]));
    expect((await ann.client.inbox()).messages).toMatchObject([{ data: { text: `${secret} 2` }, encrypted: true }]);
  });

  test('wait for who is offline, and are read later by the same device', async () => {
    const name = names();
    const store = memoryKeyStore();
    const [ann, bob] = [await device(name.ann), await device(name.bob, { store })];
    bob.client.close();
    for (let i = 1; i <= 5; i++) {
      ann.e2e.direct(name.bob).send(`${secret} ${i}`);
    }
    await eventually(() => expect(ann.client.outbox.size).toBe(0));
    const again = await device(name.bob, { store });
    await eventually(() => expect(dataOf(again.directs)).toEqual([1, 2, 3, 4, 5].map((i) => `${secret} ${i}`)));
    expect(again.refused).toEqual([]);
  });

  test('reach both devices of a user; what was sent before one existed it cannot read', async () => {
    const name = names();
    const [ann, bob] = [await device(name.ann), await device(name.bob)];
    await ann.e2e.direct(name.bob).send(`${secret} before`).kept;
    const other = await device(name.bob);
    // The copy of the directory that ann has is not of the new device yet; asked for, it is.
    await eventually(async () => expect(await ann.e2e.keys(name.bob)).toHaveLength(2));
    await ann.e2e.direct(name.bob).send(`${secret} after`).kept;
    await eventually(() => expect([dataOf(bob.directs), dataOf(other.directs)]).toEqual([[`${secret} before`, `${secret} after`], [`${secret} after`]]));
    expect((await other.client.inbox()).messages.map(({ data, refused }) => refused?.code ?? data)).toEqual(['not_for_this_device', `${secret} after`]);
    expect(ann.changed).toEqual([name.bob]);
  });

  test('that somebody changes on the way, or publishes in another\'s name, are refused and reported', async () => {
    const name = names();
    const [ann, bob, mallory] = [await device(name.ann), await device(name.bob), await device(name.mallory)];
    bob.e2e.direct(name.ann);
    await ann.e2e.direct(name.bob).send(`${secret} original`).kept;
    await eventually(() => expect(bob.directs).toHaveLength(1));
    const [{ data, messageId, event }] = await rawInbox(name.bob);
    const { key } = await bob.e2e.device();
    const publish = (from: string, body: object) => call(from, 'POST', `users/${name.bob}/messages`, { event, ...body });
    await publish(name.ann, { messageId: `${messageId}-1`, data: { ...data, boxes: { [key]: flip(data.boxes[key]) } } });
    await publish(name.ann, { messageId: `${messageId}-2`, data });
    await publish(name.ann, { messageId: `${messageId}-3`, data: { text: 'plain' } });
    await publish(name.mallory, { messageId: `${messageId}-4`, data });
    await publish(name.mallory, { messageId: `${messageId}-5`, data: { ...data, sender: (await mallory.e2e.device()).key } });
    await publish(name.ann, { messageId: `${messageId}-6`, data, event: 'e2e:room-key' });
    await eventually(() => expect(bob.refused.map(({ code }) => code).sort()).toEqual(
      ['mismatch', 'mismatch', 'not_encrypted', 'tampered', 'tampered', 'unknown_sender_key'],
    ));
    expect(dataOf(bob.directs)).toEqual([`${secret} original`]);
  });

  test('are not accepted at another place, also by a client that has restarted', async () => {
    const name = names();
    const store = memoryKeyStore();
    const [ann, bob] = [await device(name.ann), await device(name.bob, { store })];
    await ann.e2e.direct(name.bob).send(`${secret} 1`).kept;
    await ann.e2e.direct(name.bob).send(`${secret} 2`).kept;
    await eventually(() => expect(bob.directs).toHaveLength(2));
    const [{ data, messageId, event }] = await rawInbox(name.bob);
    const repeat = async () => expect(await call(name.ann, 'POST', `users/${name.bob}/messages`, { event, messageId, data })).toMatchObject({ duplicate: false });
    await repeat();
    await eventually(() => expect(bob.refused).toMatchObject([{ code: 'replayed', refused: { offset: 3 } }]));
    bob.client.close();
    await ann.e2e.direct(name.bob).send(`${secret} 3`).kept;
    await repeat();
    const again = await device(name.bob, { store });
    await eventually(() => expect(again.refused.at(-1)).toMatchObject({ code: 'replayed', refused: { offset: 5 } }));
    expect(again.directs.at(-1)).toMatchObject({ data: `${secret} 3` });
    expect((await again.client.inbox()).messages.map(({ data: each, refused }) => refused?.code ?? each))
      .toEqual([`${secret} 1`, `${secret} 2`, 'replayed', `${secret} 3`, 'replayed']);
  });
});

describe('Rooms', () => {
  test('three members read one another; when one has left, he reads nothing of what follows; a newcomer gets the key', async () => {
    const name = names();
    const stores: Record<string, KeyStore> = { carol: memoryKeyStore() };
    const ann = await join(await device(name.ann), name.room);
    const bob = await join(await device(name.bob), name.room);
    const carol = await join(await device(name.carol, { store: stores.carol!, keyTimeout: 1000 }), name.room);
    await say(ann, `${secret} 1`);
    await say(carol, `${secret} 2`);
    await eventually(() => expect([ann, bob, carol].map(({ messages }) => dataOf(messages))).toEqual(Array(3).fill([`${secret} 1`, `${secret} 2`])));

    const left = new Promise<void>((resolve) => bob.room!.on('presence', (change) => change.left.includes(name.carol) && resolve()));
    const annSaw = new Promise<void>((resolve) => ann.room!.on('presence', (change) => change.left.includes(name.carol) && resolve()));
    carol.room!.leave();
    await Promise.all([left, annSaw]);
    await say(bob, `${secret} 3`);
    await say(ann, `${secret} 4`);
    await eventually(() => expect([ann, bob].map(({ messages }) => dataOf(messages))).toEqual(Array(2).fill([1, 2, 3, 4].map((i) => `${secret} ${i}`))));

    // The server's raw history is no use to the one who has left, nor are the keys that were handed to him.
    const raw = await rawRoom(name.room, name.carol);
    expect(raw).toHaveLength(4);
    expect(new Set(raw.slice(0, 2).map(({ data }) => data.key)).size).toBe(1);
    expect(raw[2].data.key).not.toBe(raw[0].data.key);
    const { messages } = await carol.room!.history();
    expect(messages.map(({ data, refused }) => refused?.code ?? data)).toEqual([`${secret} 1`, `${secret} 2`, 'unknown_room_key', 'unknown_room_key']);

    const dave = await join(await device(name.dave), name.room);
    await say(ann, `${secret} 5`);
    await eventually(() => expect(dataOf(dave.messages)).toEqual([`${secret} 5`]));
    expect(dataOf((await dave.room!.history()).messages)).toEqual([1, 2, 3, 4, 5].map((i) => `${secret} ${i}`));
    await say(dave, `${secret} 6`);
    await eventually(() => expect(dataOf(bob.messages).at(-1)).toBe(`${secret} 6`));
    expect([ann, bob, dave].flatMap(({ refused }) => refused)).toEqual([]);
  });

  test('by server-sent events as well', async () => {
    const name = names();
    const ann = await join(await device(name.ann, { transport: 'sse' }), name.room);
    const bob = await join(await device(name.bob, { transport: 'sse' }), name.room);
    const carol = await join(await device(name.carol), name.room);
    for (let i = 1; i <= 3; i++) {
      await Promise.all([say(ann, `${secret} ann ${i}`), say(bob, `${secret} bob ${i}`), say(carol, `${secret} carol ${i}`)]);
    }
    ann.e2e.direct(name.bob).send(`${secret} direct`);
    await eventually(() => expect([ann, bob, carol].map(({ messages }) => messages.length)).toEqual([9, 9, 9]));
    expect(dataOf(bob.messages)).toEqual(dataOf(carol.messages));
    await eventually(() => expect(dataOf(bob.directs)).toEqual([`${secret} direct`]));
    expect([ann, bob, carol].flatMap(({ refused }) => refused)).toEqual([]);
  });

  test('two devices of one user read and write', async () => {
    const name = names();
    const ann = await join(await device(name.ann), name.room);
    const first = await join(await device(name.bob), name.room);
    const second = await join(await device(name.bob), name.room);
    await say(second, `${secret} 1`);
    await say(first, `${secret} 2`);
    await say(ann, `${secret} 3`);
    await eventually(() => expect([ann, first, second].map(({ messages }) => dataOf(messages))).toEqual(Array(3).fill([1, 2, 3].map((i) => `${secret} ${i}`))));
  });

  test('everybody speaks at once, and nothing is refused', async () => {
    const name = names();
    const all: Device[] = [];
    for (const user of [name.ann, name.bob, name.carol]) {
      all.push(await join(await device(user), name.room));
    }
    await Promise.all(all.flatMap((it) => Array.from({ length: 20 }, (_, i) => say(it, `${secret} ${it.user} ${i}`))));
    await eventually(() => expect(all.map(({ messages }) => messages.length)).toEqual([60, 60, 60]));
    for (const it of all) {
      expect(dataOf(it.messages)).toEqual(dataOf(all[0]!.messages));
      expect(it.refused).toEqual([]);
    }
  });

  test('what a relay changes, repeats, moves or says in another\'s name is refused and reported', async () => {
    const name = names();
    const ann = await join(await device(name.ann), name.room);
    const bob = await join(await device(name.bob), name.room);
    const mallory = await join(await device(name.mallory), name.room);
    await say(ann, `${secret} original`);
    await eventually(() => expect(bob.messages).toHaveLength(1));
    const [{ data, messageId, event }] = await rawRoom(name.room, name.bob);
    const publish = (from: string, body: object) => call(from, 'POST', `rooms/${name.room}/messages`, { event, data, ...body });
    const wanted = ['tampered', 'mismatch', 'not_encrypted', 'unknown_sender_key', 'mismatch', 'mismatch', 'replayed', 'replayed', 'malformed'];
    await publish(name.ann, { messageId: 'x1', data: { ...data, body: flip(data.body) } });
    await publish(name.ann, { messageId: 'x2' });
    await publish(name.ann, { messageId: 'x3', data: 'plain' });
    await publish(name.mallory, { messageId });
    await publish(name.mallory, { messageId: 'x5', data: { ...data, sender: (await mallory.e2e.device()).key } });
    await publish(name.ann, { messageId: 'x6', event: 'other' });
    await publish(name.ann, { messageId });
    await publish(name.ann, { messageId, delivery: 'transient' });
    await publish(name.ann, { messageId: 'x8', data: { e2e: 1, kind: 'room' } });
    await eventually(() => expect(bob.refused.map(({ code }) => code)).toEqual(wanted));
    expect(dataOf(bob.messages)).toEqual([`${secret} original`]);
  });

  test('what was kept, but not acknowledged before the connection broke, is sent again and shown once', async () => {
    const name = names();
    const network = await Network.to(gateway.url);
    try {
      const ann = await join(await device(name.ann, { url: network.url }), name.room);
      const bob = await join(await device(name.bob), name.room);
      await say(ann, `${secret} 1`);
      const cut = network.cutAfter(/"Send"/);
      const sent = Promise.all([2, 3, 4].map((i) => say(ann, `${secret} ${i}`)));
      ann.e2e.direct(name.bob).send(`${secret} direct`);
      await cut;
      await eventually(() => expect(ann.client.state).toBe('reconnecting'));
      network.restore();
      await sent;
      await eventually(() => expect([ann, bob].map(({ messages }) => dataOf(messages))).toEqual(Array(2).fill([1, 2, 3, 4].map((i) => `${secret} ${i}`))));
      await eventually(() => expect(dataOf(bob.directs)).toEqual([`${secret} direct`]));
      expect([...ann.refused, ...bob.refused]).toEqual([]);
    } finally {
      await network.close();
    }
  });

  test('who loses the connection comes back, reads what was said, and speaks', async () => {
    const name = names();
    const ann = await join(await device(name.ann), name.room);
    const bob = await join(await device(name.bob), name.room);
    await say(bob, `${secret} 1`);
    await eventually(() => expect(dataOf(ann.messages)).toEqual([`${secret} 1`]));
    await call(name.bob, 'DELETE', `users/${name.bob}/connections`);
    await eventually(() => expect(bob.client.state).not.toBe('connected'));
    await eventually(async () => expect((await ann.room!.presence()).list.map(({ user }) => user)).toEqual([name.ann]));
    await say(ann, `${secret} 2`);
    bob.client.reconnect();
    await eventually(() => expect(dataOf(bob.messages)).toEqual([`${secret} 1`, `${secret} 2`]));
    await say(bob, `${secret} 3`);
    await eventually(() => expect(dataOf(ann.messages)).toEqual([1, 2, 3].map((i) => `${secret} ${i}`)));
    expect([...ann.refused, ...bob.refused]).toEqual([]);
  });
});

describe('Verified keys only', () => {
  test('nothing goes to a device that was not verified', async () => {
    const name = names();
    const [ann, bob] = [await device(name.ann, { verifiedOnly: true }), await device(name.bob)];
    await expect(ann.e2e.direct(name.bob).send(`${secret} 1`).kept).rejects.toMatchObject({ code: 'unverified_key' });
    const { key, fingerprint } = await bob.e2e.device();
    expect(await ann.e2e.fingerprint(name.bob)).toBe(fingerprint);
    await ann.e2e.verify(name.bob, key);
    await device(name.bob);
    await ann.e2e.keys(name.bob);
    await ann.e2e.direct(name.bob).send(`${secret} 2`).kept;
    await eventually(() => expect(dataOf(bob.directs)).toEqual([`${secret} 2`]));
    const [{ data }] = await rawInbox(name.bob);
    expect(Object.keys(data.boxes)).toEqual([key]);
  });
});

test('Nothing of what was said is on the server\'s disk, while it runs and after it has stopped', async () => {
  const found = () => files().filter((file) => file.includes(secret));
  expect(files().some((file) => file.includes('"e2e":1'))).toBe(true);
  expect(found()).toEqual([]);
  await gateway.terminate();
  expect(files().some((file) => file.includes('"e2e":1'))).toBe(true);
  expect(found()).toEqual([]);
});
