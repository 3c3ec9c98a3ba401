import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { refuse, RealtimeError, type Client, type Codec, type Message, type RefusedMessage } from '../../src/index.js';
import { FakeServer, messageOf, settle } from '../support/fake.js';
import { record } from '../support/record.js';

let server: FakeServer;
let client: Client;

/** Turns texts around. */
const codec = (): Codec => ({
  encode: async (_, data) => [...String(data)].reverse().join(''),
  decode: async (message) => {
    if (message.data === 'forged') return refuse('tampered', 'It does not open.');
    return { ...message, data: [...String(message.data)].reverse().join(''), encrypted: true };
  },
});

beforeEach(async () => {
  server = new FakeServer();
  client = server.connect();
  await client.connected();
});
afterEach(() => client.close());

it('changes what is sent and what is received', async () => {
  client.use(codec());
  const room = client.room('r', { encrypted: true });
  const messages = record<Message>(room, 'message');
  await room.join();
  const sent = room.send('abc');
  await sent.kept;
  await messages.atLeast(1);
  expect(server.log('r')).toMatchObject([{ data: 'cba' }]);
  expect(messages.items).toMatchObject([{ data: 'abc', encrypted: true, offset: 1 }]);
  expect(sent.data).toBe('abc');
  expect((await room.history()).messages).toMatchObject([{ data: 'abc', encrypted: true }]);
  await client.direct('bob').send('hi').kept;
  expect(server.sent.at(-1)!.message.data).toBe('ih');
});

it('tells the codec what it needs to know', async () => {
  const base = codec();
  const encode = vi.fn(base.encode);
  const decode = vi.fn(base.decode);
  client.use({ encode, decode });
  await client.room('r', { encrypted: true }).join();
  await client.room('r').send('x', { event: 'note', messageId: 'm' }).kept;
  await client.direct('bob').send('y').kept;
  expect(encode.mock.calls.map(([context]) => context)).toMatchObject([
    { kind: 'room', room: 'r', from: 'ann', event: 'note', messageId: 'm', delivery: 'durable', encrypted: true },
    { kind: 'direct', user: 'bob', encrypted: false },
  ]);
  expect(decode).toHaveBeenCalledWith(server.log('r')[0], { kind: 'room', room: 'r', to: 'ann', source: 'live', encrypted: true });
});

it('reports what it refuses, and amends that later', async () => {
  client.use(codec());
  const room = client.room('r');
  const messages = record<Message>(room, 'message');
  const refused = record<RefusedMessage>(room, 'refused');
  const amended = record<Message>(room, 'amended');
  await room.join();
  const bad = server.publish('r', 'forged');
  server.publish('r', 'cba');
  await messages.atLeast(1);
  expect(refused.items).toEqual([{ message: bad, refusal: { code: 'tampered', message: 'It does not open.' } }]);
  expect((await room.history()).messages).toMatchObject([{ data: null, refused: { code: 'tampered' } }, { data: 'abc' }]);
  client.amend({ ...bad, data: 'after all' });
  expect(amended.items).toMatchObject([{ data: 'after all', offset: 1 }]);
  const direct = record<RefusedMessage>(client, 'refused');
  server.current.events.direct({ ...messageOf('r', 1, { data: 'forged' }), room: undefined as never });
  await direct.atLeast(1);
});

it('reports what it throws at as malformed', async () => {
  client.use({ ...codec(), decode: async () => Promise.reject(new Error('no JSON')) });
  const refused = record<RefusedMessage>(client.room('r'), 'refused');
  await client.room('r').join();
  server.publish('r', 'x');
  expect(await refused.atLeast(1)).toMatchObject([{ refusal: { code: 'malformed', message: 'no JSON' } }]);
});

it('keeps the order in each room, and one room does not wait for another', async () => {
  const waiting: (() => void)[] = [];
  client.use({
    ...codec(),
    decode: (message) => (message.room === 'slow' ? new Promise((resolve) => waiting.push(() => resolve(message))) : Promise.resolve(message)),
  });
  const slow = record<Message>(client.room('slow'), 'message');
  const quick = record<Message>(client.room('quick'), 'message');
  await Promise.all([client.room('slow').join(), client.room('quick').join()]);
  for (const n of [1, 2]) {
    server.publish('slow', n);
    server.publish('quick', n);
  }
  await quick.atLeast(2);
  expect(slow.items).toEqual([]);
  waiting[0]!();
  await slow.atLeast(1);
  await settle();
  waiting[1]!();
  await slow.atLeast(2);
  expect(slow.items.map(({ data }) => data)).toEqual([1, 2]);
});

it('intercepts its own messages, ahead of those that wait', async () => {
  const intercepted: unknown[] = [];
  client.use({
    ...codec(),
    decode: () => new Promise(() => {}),
    intercept: (message) => message.event === 'key' && intercepted.push(message.data) > 0,
  });
  await client.room('r').join();
  server.publish('r', 'waits');
  server.publish('r', 'mine', { event: 'key' });
  expect(intercepted).toEqual(['mine']);
});

it('sends plain what is to be', async () => {
  const encode = vi.fn(codec().encode);
  client.use({ ...codec(), encode });
  await client.room('r').join();
  await client.room('r').send('as it is', { plain: true, delivery: 'transient' }).kept;
  expect(encode).not.toHaveBeenCalled();
  expect(server.sent.at(-1)!.message.data).toBe('as it is');
});

it('fails a message that it will never encode, and tries again where it cannot for now', async () => {
  vi.useFakeTimers();
  let problem: Error = new RealtimeError('unverified_key', 'Verify first.', { permanent: true });
  client.use({ ...codec(), encode: async () => Promise.reject(problem) });
  const never = client.direct('bob').send('x');
  await expect(never.kept).rejects.toMatchObject({ code: 'unverified_key' });
  problem = new RealtimeError('unavailable', 'No keys now.');
  const later = client.direct('bob').send('y');
  await settle();
  expect(later.state).toBe('queued');
  await vi.advanceTimersByTimeAsync(500);
  expect(later.state).toBe('queued');
  later.discard();
  vi.useRealTimers();
});

it('is one, is told of its client, and let go with it', () => {
  const detach = vi.fn();
  const attach = vi.fn(() => detach);
  client.use({ ...codec(), attach });
  expect(attach).toHaveBeenCalledWith(client);
  expect(() => client.use(codec())).toThrow();
  client.close();
  expect(detach).toHaveBeenCalledTimes(1);
});

it('is needed where a conversation is declared encrypted', async () => {
  const room = client.room('r', { encrypted: true });
  const refused = record<RefusedMessage>(room, 'refused');
  await room.join();
  await expect(room.send('secret').kept).rejects.toMatchObject({ code: 'not_encrypted', permanent: true });
  await expect(client.direct('bob', { encrypted: true }).send('secret').kept).rejects.toMatchObject({ code: 'not_encrypted' });
  expect(server.sent).toEqual([]);
  server.publish('r', 'in the clear');
  expect(await refused.atLeast(1)).toMatchObject([{ refusal: { code: 'not_encrypted' } }]);
});
