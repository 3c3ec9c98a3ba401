import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { encode } from '../../src/encryption/encoding.js';
import { deviceKey, newId, sealDirect } from '../../src/encryption/envelope.js';
import { encryption, type EncryptionOptions, type KeyStore, memoryKeyStore } from '../../src/encryption/index.js';
import { FakeClient, FakeServer } from './fakeServer.js';

let server: FakeServer;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  server = new FakeServer();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Everything that needs no time has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

async function pass(milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += 100) {
    vi.advanceTimersByTime(100);
    await settled();
  }
}

function start(user: string, options: EncryptionOptions = {}) {
  const client = new FakeClient(server, user);
  const e2e = encryption(client.asClient, options);
  const refused: string[] = [];
  const changed: string[] = [];
  const rotated: number[] = [];
  const errors: Error[] = [];
  e2e.on('refused', ({ code }) => refused.push(code));
  e2e.on('keyChanged', ({ user: of }) => changed.push(of));
  e2e.on('rotated', ({ generation }) => rotated.push(generation));
  e2e.on('error', (error) => errors.push(error));
  client.connect();
  return { user, client, e2e, refused, changed, rotated, errors };
}
type Started = ReturnType<typeof start>;

async function inRoom(...users: (string | [string, EncryptionOptions])[]): Promise<Started[]> {
  const all: Started[] = [];
  for (const user of users) {
    const each = typeof user === 'string' ? start(user) : start(...user);
    void each.e2e.room('general').join();
    await settled();
    all.push(each);
  }
  return all;
}

const general = ({ client }: Started) => client.fakeRoom('general');
const shown = (each: Started) => general(each).messages.map(({ data }) => data);
const say = async (each: Started, data: unknown) => {
  const sent = each.e2e.room('general').send(data);
  await settled();
  return sent;
};

/** The other clients are of another kind, or busy. */
const ignoresRequests = (...users: string[]) => {
  server.relay = (message, to) => (message.event === 'e2e:key-request' && users.includes(to.user) ? undefined : message);
};

describe('Direct messages', () => {
  test('are read by the recipient and nobody else, and say that they were encrypted', async () => {
    const [ann, bob] = [start('ann'), start('bob')];
    await settled();
    ann.e2e.direct('bob').send({ text: 'secret' });
    bob.e2e.direct('ann');
    await settled();
    expect(bob.client.directs).toMatchObject([{ event: 'message', from: 'ann', data: { text: 'secret' }, encrypted: true }]);
    expect(JSON.stringify([...server.channels])).not.toContain('secret');
  });

  test('wait for who is offline', async () => {
    const [ann, bob] = [start('ann'), start('bob')];
    await settled();
    bob.client.disconnect();
    for (let i = 1; i <= 5; i++) {
      ann.e2e.direct('bob').send(i);
    }
    await settled();
    bob.client.connect();
    await settled();
    expect(bob.client.directs.map(({ data }) => data)).toEqual([1, 2, 3, 4, 5]);
  });

  test('reach all devices of the recipient, and a conversation that was not declared too', async () => {
    const [ann, bob, other] = [start('ann'), start('bob'), start('bob')];
    await settled();
    ann.e2e.direct('bob').send(1);
    await settled();
    expect([bob, other].map(({ client }) => client.directs.map(({ data }) => data))).toEqual([[1], [1]]);
  });

  test('to oneself reach all of one\'s devices', async () => {
    const [bob, other] = [start('bob'), start('bob')];
    await settled();
    bob.e2e.direct('bob').send('note');
    await settled();
    expect([bob, other].map(({ client }) => client.directs.map(({ data }) => data))).toEqual([['note'], ['note']]);
  });

  test('to somebody without keys fail', async () => {
    const ann = start('ann');
    const sent = ann.e2e.direct('bob').send(1);
    await expect(sent.kept).rejects.toMatchObject({ code: 'no_keys' });
    expect(server.channels.get('user:bob')).toBeUndefined();
  });

  test('that are binary, or named as the protocol\'s own, fail', async () => {
    const [ann] = [start('ann'), start('bob')];
    await settled();
    await expect(ann.e2e.direct('bob').send(new Uint8Array(3)).kept).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(ann.e2e.direct('bob').send(1, { event: 'e2e:room-key' }).kept).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  test('in plain are refused where the conversation is declared, and pass where it is not', async () => {
    const [bob] = [start('bob'), start('ann'), start('carol')];
    bob.e2e.direct('ann');
    server.publish({ user: 'bob' }, { from: 'ann', data: 1 });
    server.publish({ user: 'bob' }, { from: 'carol', data: 2 });
    await settled();
    expect(bob.client.refused).toMatchObject([{ code: 'not_encrypted' }]);
    expect(bob.refused).toEqual(['not_encrypted']);
    expect(bob.client.directs).toMatchObject([{ data: 2 }]);
    expect(bob.client.directs[0]!.encrypted).toBeUndefined();
  });

  test('by a device that nobody has heard of are accepted when the directory has it, which is reported for a known user', async () => {
    const [ann, bob] = [start('ann'), start('bob')];
    await settled();
    ann.e2e.direct('bob').send(1);
    await settled();
    const other = start('ann');
    await settled();
    other.e2e.direct('bob').send(2);
    await settled();
    expect(bob.client.directs.map(({ data }) => data)).toEqual([1, 2]);
    expect(bob.changed).toEqual(['ann']);
  });

  test('by a key that the directory has not are refused', async () => {
    const bob = start('bob');
    await settled();
    const stranger = deviceKey();
    const message = { event: 'message', from: 'ann', to: 'bob', messageId: 'm' };
    server.publish({ user: 'bob' }, { from: 'ann', messageId: 'm', data: sealDirect(message, { session: newId(), n: 1 }, 1, stranger, server.keys.get('bob')!) });
    await settled();
    expect(bob.refused).toEqual(['unknown_sender_key']);
  });

  test('wait for a directory that cannot be asked now', async () => {
    const [ann, bob] = [start('ann'), start('bob')];
    await settled();
    server.relay = (message, to) => {
      server.keysFail = to === bob.client ? 3 : 0;
      return message;
    };
    ann.e2e.direct('bob').send(1);
    ann.e2e.direct('bob').send(2);
    await settled();
    expect(bob.client.directs).toEqual([]);
    server.relay = (message) => message;
    await pass(10_000);
    expect(bob.client.directs.map(({ data }) => data)).toEqual([1, 2]);
  });

  test('that a relay changes, repeats or moves are refused', async () => {
    const [ann, bob] = [start('ann'), start('bob'), start('mallory')];
    await settled();
    ann.e2e.direct('bob').send('original');
    await settled();
    const [original] = server.channel('user:bob').log as any[];
    const box = Object.keys(original.data.boxes)[0]!;
    const flipped = { ...original.data, boxes: { [box]: (original.data.boxes[box][0] === 'A' ? 'B' : 'A') + original.data.boxes[box].slice(1) } };
    server.publish({ user: 'bob' }, { from: 'ann', messageId: original.messageId + 'x', data: original.data });
    server.publish({ user: 'bob' }, { from: 'ann', messageId: 'tampered', data: flipped });
    server.publish({ user: 'bob' }, { from: 'mallory', messageId: 'lie', data: original.data });
    server.publish({ user: 'bob' }, { from: 'ann', messageId: 'other', event: 'other', data: original.data });
    // The server itself may repeat it under its own id, at another place.
    server.channel('user:bob').ids.delete(original.messageId);
    server.publish({ user: 'bob' }, { from: 'ann', messageId: original.messageId, data: original.data });
    await settled();
    expect(bob.refused).toEqual(['mismatch', 'tampered', 'unknown_sender_key', 'mismatch', 'replayed']);
    expect(bob.client.directs).toHaveLength(1);
  });

  test('are not shown again after a restart with the same store', async () => {
    const store = memoryKeyStore();
    const [ann, bob] = [start('ann'), start('bob', { store })];
    await settled();
    ann.e2e.direct('bob').send(1);
    await settled();
    bob.client.setState('closed');
    const again = start('bob', { store });
    await settled();
    const [original] = server.channel('user:bob').log;
    server.channel('user:bob').ids.clear();
    const { offset, epoch, cursor, ...rest } = original!;
    server.publish({ user: 'bob' }, { ...rest, from: 'ann' });
    await settled();
    expect(again.client.directs.map(({ data }) => data)).toEqual([1]);
    expect(again.refused).toEqual(['replayed']);
    expect((await again.e2e.device()).key).toBe((await bob.e2e.device()).key);
  });
});

describe('Verified keys only', () => {
  test('nothing is encrypted for others, and nothing accepted from them', async () => {
    const [ann, bob] = [start('ann', { verifiedOnly: true }), start('bob', { verifiedOnly: true })];
    await settled();
    await expect(ann.e2e.direct('bob').send(1).kept).rejects.toMatchObject({ code: 'unverified_key' });
    const [key] = await ann.e2e.keys('bob');
    expect(key).toMatchObject({ verified: false, current: true, fingerprint: await bob.e2e.fingerprint('bob') });
    await ann.e2e.verify('bob', key!.key);
    ann.e2e.direct('bob').send(1);
    await settled();
    expect(bob.refused).toEqual(['unverified_key']);
    await bob.e2e.verify('ann', (await bob.e2e.keys('ann'))[0]!.key);
    ann.e2e.direct('bob').send(2);
    await settled();
    expect(bob.client.directs.map(({ data }) => data)).toEqual([2]);
    await bob.e2e.verify('ann', (await bob.e2e.keys('ann'))[0]!.key, false);
    ann.e2e.direct('bob').send(3);
    await settled();
    expect(bob.client.directs).toHaveLength(1);
  });

  test('a device that the server adds gets no box, and no room key', async () => {
    const [ann, bob] = await inRoom(['ann', { verifiedOnly: true }], ['bob', { verifiedOnly: true }]) as [Started, Started];
    await ann.e2e.verify('bob', (await bob.e2e.device()).key);
    await bob.e2e.verify('ann', (await ann.e2e.device()).key);
    server.keys.get('bob')!.unshift(deviceKey().name);
    await pass(20_000);
    ann.e2e.direct('bob').send(1);
    await say(ann, 'hello');
    expect(bob.client.directs.map(({ data }) => data)).toEqual([1]);
    expect(shown(bob)).toEqual(['hello']);
    for (const { data } of server.channel('user:bob').log as any[]) {
      expect(Object.keys(data.boxes)).toEqual([(await bob.e2e.device()).key]);
    }
  });
});

describe('Rooms', () => {
  test('all members read what all say, in one key', async () => {
    const all = await inRoom('ann', 'bob', 'carol');
    await say(all[1]!, 1);
    await say(all[2]!, 2);
    await say(all[0]!, 3);
    for (const each of all) {
      expect(shown(each)).toEqual([1, 2, 3]);
      expect(each.refused).toEqual([]);
      expect(each.errors).toEqual([]);
    }
    const keys = server.channel('room:general').log.map(({ data }) => (data as any).key);
    expect(new Set(keys).size).toBe(1);
  });

  test('messages that are sent at once by everybody arrive', async () => {
    const all = await inRoom('ann', 'bob', 'carol');
    for (let i = 0; i < 10; i++) {
      all.forEach((each) => each.e2e.room('general').send(i));
    }
    await pass(1000);
    for (const each of all) {
      expect(shown(each)).toHaveLength(30);
      expect(each.refused).toEqual([]);
    }
  });

  test('plain messages are refused', async () => {
    const [ann, bob] = await inRoom('ann', 'bob') as [Started, Started];
    server.publish({ room: 'general' }, { from: 'ann', data: 'plain' });
    await settled();
    expect(shown(bob)).toEqual([]);
    expect([...ann.refused, ...bob.refused]).toEqual(['not_encrypted', 'not_encrypted']);
  });

  test('when somebody leaves, the next message has another key, which he has not', async () => {
    const all = await inRoom('ann', 'bob', 'carol') as [Started, Started, Started];
    const [ann, bob, carol] = all;
    await say(ann, 'for all');
    general(carol).leave();
    await settled();
    await say(bob, 'for two');
    await say(ann, 'for two as well');
    expect(shown(ann)).toEqual(['for all', 'for two', 'for two as well']);
    expect(shown(bob)).toEqual(['for all', 'for two', 'for two as well']);
    expect(shown(carol)).toEqual(['for all']);
    const reading = general(carol).history();
    await pass(15_000);
    expect((await reading).messages.map(({ data, refused }) => refused?.code ?? data)).toEqual(['for all', 'unknown_room_key', 'unknown_room_key']);
    expect(ann.rotated).toEqual([1, 2]);
  });

  test('who left and asks gets nothing', async () => {
    const [ann, bob, carol] = await inRoom('ann', 'bob', 'carol') as [Started, Started, Started];
    general(carol).leave();
    await settled();
    await say(ann, 'for two');
    const [{ data }] = server.channel('room:general').log as any;
    for (const attempt of [1, 2]) {
      server.publish({ room: 'general' }, {
        from: 'carol', event: 'e2e:key-request', delivery: 'transient',
        data: { e2e: 1, kind: 'key-request', sender: (await carol.e2e.device()).key, ask: newId(), attempt, ids: [data.key] },
      });
      await settled();
    }
    expect(server.channel('user:carol').log).toEqual([]);
    expect([...ann.errors, ...bob.errors]).toEqual([]);
  });

  test('who says that another\'s device is his gets nothing', async () => {
    const [ann, bob, mallory] = await inRoom('ann', 'bob', 'mallory') as [Started, Started, Started];
    await say(ann, 1);
    const before = server.channel('user:mallory').log.length;
    const request = { e2e: 1, kind: 'key-request', ask: newId(), attempt: 2, ids: [] };
    for (const sender of [(await bob.e2e.device()).key, deviceKey().name]) {
      server.publish({ room: 'general' }, { from: 'mallory', event: 'e2e:key-request', delivery: 'transient', data: { ...request, sender } });
      await settled();
    }
    expect(server.channel('user:mallory').log.length).toBe(before);
    expect(mallory.errors).toEqual([]);
  });

  test('a newcomer asks for the key when a message comes, and the messages come in their order', async () => {
    const [ann, bob] = await inRoom('ann', 'bob') as [Started, Started];
    await say(ann, 1);
    const [carol] = await inRoom('carol') as [Started];
    for (let i = 2; i <= 5; i++) {
      ann.e2e.room('general').send(i);
    }
    await pass(200);
    expect(shown(carol)).toEqual([2, 3, 4, 5]);
    await say(carol, 6);
    expect(shown(bob)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(new Set(server.channel('room:general').log.map(({ data }) => (data as any).key)).size).toBe(1);
    const { messages } = await general(carol).history();
    expect(messages.map(({ data }) => data)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('where the first has not the key, others answer the second request', async () => {
    const [ann, bob] = await inRoom('ann', 'bob') as [Started, Started];
    await say(bob, 1);
    ann.client.disconnect();
    await settled();
    await say(bob, 2);
    ann.client.connect();
    await settled();
    const [carol] = await inRoom('carol') as [Started];
    const reading = general(carol).history();
    await settled();
    await pass(3000);
    expect((await reading).messages.map(({ data }) => data)).toEqual([1, 2]);
  });

  test('where nobody answers, the message is reported after a while, the next one under the key at once, and amended when it comes', async () => {
    const [ann, bob] = await inRoom('ann', 'bob') as [Started, Started];
    const [carol] = await inRoom('carol') as [Started];
    let held: any[] = [];
    server.relay = (message, to) => {
      if (to.user === 'carol' && message.event === 'e2e:room-key') {
        held.push(message);
        return undefined;
      }
      return message;
    };
    await say(ann, 1);
    await say(bob, 2);
    await pass(5000);
    expect(shown(carol)).toEqual([]);
    expect(carol.refused).toEqual([]);
    await pass(6000);
    expect(carol.refused).toEqual(['unknown_room_key', 'unknown_room_key']);
    server.relay = (message) => message;
    held.forEach((message) => carol.client.receive(message));
    await settled();
    expect(general(carol).amended.map(({ data }) => data)).toEqual([1, 2]);
    await say(ann, 3);
    expect(shown(carol)).toEqual([3]);
  });

  test('what nobody could answer is asked for again after the next joining', async () => {
    const [ann, bob] = await inRoom('ann', 'bob') as [Started, Started];
    await say(ann, 1);
    general(ann).leave();
    general(bob).leave();
    const [carol] = await inRoom('carol') as [Started];
    const reading = general(carol).history();
    await pass(11_000);
    expect((await reading).messages).toMatchObject([{ data: null, refused: { code: 'unknown_room_key' } }]);
    void general(bob).join();
    await settled();
    carol.client.disconnect();
    carol.client.connect();
    await pass(200);
    expect(general(carol).amended).toMatchObject([{ data: 1, encrypted: true, offset: 1 }]);
  });

  test('where the first does not answer at all, the one who wants to send helps himself', async () => {
    const [ann, bob, carol] = await inRoom('ann', 'bob', 'carol') as [Started, Started, Started];
    ignoresRequests('ann', 'carol');
    const sent = await say(bob, 1);
    await pass(3000);
    expect(sent.state).toBe('sending');
    await pass(1500);
    expect(sent.state).toBe('kept');
    expect([ann, bob, carol].map(shown)).toEqual([[1], [1], [1]]);
  });

  test('members who do not encrypt do not hinder', async () => {
    const plain = new FakeClient(server, 'aaa');
    plain.connect();
    await plain.fakeRoom('general').join();
    const [ann, bob] = await inRoom('ann', 'bob') as [Started, Started];
    const sent = await say(bob, 1);
    await pass(4100);
    expect(sent.state).toBe('kept');
    expect([ann, bob].map(shown)).toEqual([[1], [1]]);
    expect(plain.fakeRoom('general').messages.filter(({ data }) => JSON.stringify(data).includes('secretbox'))).toEqual([]);
  });

  test('two devices of one user have the same keys', async () => {
    const [ann, bob, other] = await inRoom('ann', 'bob', 'bob') as [Started, Started, Started];
    await say(bob, 1);
    await say(other, 2);
    await say(ann, 3);
    expect([ann, bob, other].map(shown)).toEqual([[1, 2, 3], [1, 2, 3], [1, 2, 3]]);
    // One of them may go: the user is still there.
    other.client.disconnect();
    await settled();
    await say(bob, 4);
    const keys = server.channel('room:general').log.map(({ data }) => (data as any).key);
    expect(keys[3]).toBe(keys[0]);
  });

  test('a device alone with its user\'s other one has the key from it', async () => {
    const [bob, other] = await inRoom('bob', 'bob') as [Started, Started];
    await say(bob, 1);
    const third = (await inRoom('bob'))[0]!;
    const { messages } = await general(third).history();
    await settled();
    expect(messages.map(({ data }) => data)).toEqual([1]);
    expect(shown(other)).toEqual([1]);
    expect([bob, other, third].flatMap(({ refused }) => refused)).toEqual([]);
  });

  test('a key that somebody who is not in the room hands out is not encrypted with', async () => {
    const [ann, bob] = await inRoom('ann', 'bob') as [Started, Started];
    const mallory = start('mallory');
    await settled();
    const injected = encode(new Uint8Array(32));
    for (const user of ['ann', 'bob']) {
      const message = { event: 'e2e:room-key', from: 'mallory', to: user, messageId: `m-${user}` };
      const data = { room: 'general', key: injected, generation: 2147483647, holders: ['ann', 'bob'] };
      const device = deviceKey();
      server.keys.set('mallory', [device.name]);
      server.publish({ user }, { ...message, data: sealDirect(message, { session: newId(), n: 1 }, data, device, server.keys.get(user)!) });
    }
    await settled();
    await say(bob, 1);
    await say(ann, 2);
    expect(shown(ann)).toEqual([1, 2]);
    const keys = server.channel('room:general').log.map(({ data }) => (data as any).key);
    const { roomKeyId } = await import('../../src/encryption/roomKeys.js');
    expect(keys).not.toContain(roomKeyId('general', new Uint8Array(32), 2147483647));
    expect(mallory.refused).toEqual([]);
  });

  test('a hand-over in plain, or one that is none, is refused', async () => {
    const [ann, bob] = await inRoom('ann', 'bob') as [Started, Started];
    server.publish({ user: 'bob' }, { from: 'ann', event: 'e2e:room-key', messageId: 'm', data: { room: 'general', key: encode(new Uint8Array(32)), generation: 1 } });
    await settled();
    expect(bob.refused).toEqual(['not_encrypted']);
    expect([ann, bob].flatMap(({ client }) => client.directs)).toEqual([]);
  });

  test('after an absence a client does not encrypt with what it had', async () => {
    const [ann, bob, carol] = await inRoom('ann', 'bob', 'carol') as [Started, Started, Started];
    await say(bob, 1);
    // While bob is away, dave comes, gets the key by asking for it, and goes.
    bob.client.disconnect();
    await settled();
    const [dave] = await inRoom('dave') as [Started];
    const reading = general(dave).history();
    await pass(3000);
    expect((await reading).messages.map(({ data }) => data)).toEqual([1]);
    general(dave).leave();
    await settled();
    bob.client.connect();
    await settled();
    await say(bob, 2);
    expect([ann, carol, bob].map(shown)).toEqual([[1, 2], [1, 2], [1, 2]]);
    const again = general(dave).history();
    await pass(15_000);
    expect((await again).messages.map(({ data, refused }) => refused?.code ?? data)).toEqual([1, 'unknown_room_key']);
  });

  test('a message whose acknowledgement got lost is sent again and shown once', async () => {
    const [ann, bob] = await inRoom('ann', 'bob') as [Started, Started];
    await say(ann, 0);
    ann.client.loses = 'acknowledgements';
    ann.e2e.room('general').send(1);
    await settled();
    ann.client.loses = 'messages';
    ann.e2e.room('general').send(2);
    await settled();
    ann.client.loses = 'nothing';
    ann.client.disconnect();
    await settled();
    ann.client.connect();
    await pass(200);
    await say(ann, 3);
    expect(shown(bob)).toEqual([0, 1, 2, 3]);
    expect(bob.refused).toEqual([]);
  });

  test('a message that failed and is sent again later has another count', async () => {
    const [ann, bob] = await inRoom('ann', 'bob') as [Started, Started];
    const publish = server.publish.bind(server);
    const { RealtimeError } = await import('../../src/errors.js');
    server.publish = () => {
      throw new RealtimeError('not_allowed', 'No.');
    };
    const failed = await say(ann, 'later');
    await expect(failed.kept).rejects.toMatchObject({ code: 'not_allowed' });
    server.publish = publish;
    await say(ann, 'sooner');
    failed.retry();
    await settled();
    expect(shown(bob)).toEqual(['sooner', 'later']);
    expect(bob.refused).toEqual([]);
  });

  test('keys are kept over a restart', async () => {
    const stores: KeyStore[] = [memoryKeyStore(), memoryKeyStore()];
    const [ann, bob] = await inRoom(['ann', { store: stores[0]! }], ['bob', { store: stores[1]! }]) as [Started, Started];
    await say(ann, 1);
    general(ann).leave();
    ann.client.setState('closed');
    bob.client.disconnect();
    const again = start('bob', { store: stores[1]! });
    again.e2e.room('general');
    await settled();
    expect((await general(again).history()).messages.map(({ data }) => data)).toEqual([1]);
  });

  test('transient messages and latest values are encrypted too', async () => {
    const [ann, bob] = await inRoom('ann', 'bob') as [Started, Started];
    ann.e2e.room('general').send('typing', { delivery: 'transient' });
    ann.e2e.room('general').send('here', { delivery: 'latest', key: 'cursor' });
    await pass(200);
    expect(shown(bob)).toEqual(['typing', 'here']);
    expect(general(bob).messages.map(({ encrypted, delivery }) => [encrypted, delivery])).toEqual([[true, 'transient'], [true, 'latest']]);
  });

  test('a room that presence does not name everybody of is not encrypted', async () => {
    const [ann] = await inRoom('ann') as [Started];
    general(ann).presence = async () => ({ room: 'general', members: 1001, connections: 1001, list: [{ user: 'ann', connections: 1 }] });
    ann.client.disconnect();
    ann.client.connect();
    await settled();
    const sent = await say(ann, 1);
    await expect(sent.kept).rejects.toMatchObject({ code: 'room_too_large' });
    expect(server.channel('room:general').log).toEqual([]);
    expect(ann.errors[0]).toMatchObject({ code: 'room_too_large' });
  });
});
