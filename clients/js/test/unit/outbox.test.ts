import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RealtimeError, type Client, type ConnectOptions, type SentState } from '../../src/index.js';
import { MemoryStorage } from '../support/clients.js';
import { FakeServer, settle } from '../support/fake.js';

let server: FakeServer;
let client: Client;

async function connect(options: Partial<ConnectOptions> = {}): Promise<Client> {
  client = server.connect(options);
  await client.connected();
  return client;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(0);
  server = new FakeServer();
});
afterEach(() => {
  client?.close();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const overloaded = () => new RealtimeError('overloaded', 'Slow down.');
const data = () => server.sent.map(({ message }) => message.data);

it('sends the messages of a conversation one after another, those of others meanwhile', async () => {
  await connect();
  const finish: (() => void)[] = [];
  server.onSend = () => new Promise((resolve) => finish.push(resolve));
  const states: SentState[] = [];
  client.direct('bob').send(1).on('state', (state) => states.push(state));
  client.direct('bob').send(2);
  client.direct('eve').send(3);
  await settle();
  expect(data()).toEqual([1, 3]);
  finish[0]!();
  await settle();
  expect(data()).toEqual([1, 3, 2]);
  expect(states).toEqual(['kept']);
  expect(client.outbox.size).toBe(2);
});

it('tries again what the server cannot keep now, in its place and under its id', async () => {
  await connect();
  server.onSend = () => {
    throw overloaded();
  };
  const [first, second] = [client.direct('bob').send(1), client.direct('bob').send(2)];
  await settle();
  expect(first.state).toBe('queued');
  await vi.advanceTimersByTimeAsync(500);
  await vi.advanceTimersByTimeAsync(999);
  expect(data()).toEqual([1, 1]);
  server.onSend = () => {};
  await vi.advanceTimersByTimeAsync(1);
  await Promise.all([first.kept, second.kept]);
  expect(data()).toEqual([1, 1, 1, 2]);
  expect(new Set(server.sent.slice(0, 3).map(({ message }) => message.messageId)).size).toBe(1);
});

it('sends again on the next connection what the former one did not acknowledge', async () => {
  await connect();
  server.onSend = () => {
    server.current.break();
    throw new RealtimeError('connection_lost', 'lost');
  };
  const sent = client.direct('bob').send('x');
  await settle();
  expect(sent.state).toBe('queued');
  server.onSend = () => {};
  await vi.advanceTimersByTimeAsync(1_000);
  await sent.kept;
  expect(server.sent.map(({ message }) => message.messageId)).toEqual([sent.messageId, sent.messageId]);
});

it('fails at what trying again does not heal, and goes on with the next', async () => {
  await connect();
  server.onSend = (_, message) => {
    if (message.data === 'bad') throw new RealtimeError('payload_too_large', 'Too large.');
  };
  const [bad, good] = [client.direct('bob').send('bad'), client.direct('bob').send('good')];
  await expect(bad.kept).rejects.toMatchObject({ code: 'payload_too_large' });
  await good.kept;
  expect(bad).toMatchObject({ state: 'failed', error: { code: 'payload_too_large' } });
  expect(client.outbox.entries).toEqual([bad]);
  server.onSend = () => {};
  bad.retry();
  expect(bad.state).toBe('sending');
  await bad.kept;
  expect(bad.error).toBeUndefined();
  expect(client.outbox.size).toBe(0);
});

it('lets go of a message that is discarded', async () => {
  client = server.connect();
  const [one, two] = [client.direct('bob').send(1), client.direct('bob').send(2)];
  const changes = vi.fn();
  client.outbox.on('change', changes);
  one.discard();
  await expect(one.kept).rejects.toMatchObject({ code: 'discarded' });
  await two.kept;
  expect(one.state).toBe('discarded');
  expect(data()).toEqual([2]);
  expect(changes).toHaveBeenCalledTimes(2);
});

it('is bounded', async () => {
  client = server.connect({ outboxLimit: 2 });
  const [, , third] = [1, 2, 3].map((n) => client.direct('bob').send(n));
  await expect(third!.kept).rejects.toMatchObject({ code: 'outbox_full' });
  expect(client.outbox.size).toBe(2);
  await client.connected();
  await settle();
  third!.retry();
  await third!.kept;
});

it('does not queue what is not to be kept', async () => {
  client = server.connect();
  const early = client.room('r').send('typing', { delivery: 'transient' });
  await expect(early.kept).rejects.toMatchObject({ code: 'not_connected' });
  await client.connected();
  await client.room('r').join();
  await client.room('r').send('typing', { delivery: 'transient' }).kept;
  expect(client.outbox.size).toBe(0);
});

it('waits for the room, which brings what was kept already', async () => {
  await connect();
  const room = client.room('r');
  await room.join();
  server.onSend = (_, message) => {
    // Kept, but the acknowledgement is lost with the connection.
    server.current.break();
    server.publish('r', message.data, { from: 'ann', messageId: message.messageId });
    throw new RealtimeError('connection_lost', 'lost');
  };
  const sent = room.send('once');
  await settle();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await sent.kept).toMatchObject({ offset: 1, duplicate: true });
  expect(server.sent).toHaveLength(1);
});

describe('in a storage', () => {
  it('survives the page, failed and binary messages too, and goes first', async () => {
    const storage = new MemoryStorage();
    await connect({ storage });
    server.onSend = (_, { data: sent }) => {
      throw sent === 'bad' ? new RealtimeError('invalid_argument', 'No.') : overloaded();
    };
    client.direct('bob').send('bad');
    client.direct('bob').send(new Uint8Array([1, 2, 3]), { event: 'bytes' });
    client.direct('eve').send('old');
    await settle();
    client.close();
    server.sent.length = 0;
    server.onSend = () => {};
    client = server.connect({ storage });
    client.direct('eve').send('new');
    await client.connected();
    await settle();
    const of = (user: string) => server.sent.filter(({ to }) => to.kind === 'direct' && to.user === user).map(({ message }) => message.data);
    expect(of('bob')).toEqual([new Uint8Array([1, 2, 3])]);
    expect(of('eve')).toEqual(['old', 'new']);
    expect(client.outbox.entries).toMatchObject([{ data: 'bad', state: 'failed', error: { code: 'invalid_argument' } }]);
    client.outbox.entries[0]!.discard();
    client.close();
    expect([...storage.items.keys()]).toEqual(['orleans-realtime:ann']);
    expect(JSON.parse([...storage.items.values()][0]!)).toMatchObject({ outbox: [] });
  });

  it('does not mind what it cannot read or write', async () => {
    const storage = new MemoryStorage();
    storage.items.set('orleans-realtime:ann', '{"cursors": [');
    storage.setItem = () => {
      throw new Error('QuotaExceededError');
    };
    client = server.connect({ storage });
    const errors = vi.fn();
    client.on('error', errors);
    await client.connected();
    await client.direct('bob').send('x').kept;
    expect(errors).toHaveBeenCalled();
  });
});
