import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { RealtimeError, type Client, type Message, type RoomState } from '../../src/index.js';
import { MemoryStorage } from '../support/clients.js';
import { EPOCH, FakeServer, settle } from '../support/fake.js';
import { record } from '../support/record.js';

let server: FakeServer;
let client: Client;

beforeEach(async () => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(0);
  server = new FakeServer();
  client = server.connect();
  await client.connected();
});
afterEach(() => {
  client.close();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

it('is one object for each name, joined once and left once', async () => {
  const room = client.room('r');
  expect(client.room('r')).toBe(room);
  const states: RoomState[] = [];
  room.on('state', (state) => states.push(state));
  await Promise.all([room.join(), room.join()]);
  room.leave();
  await settle();
  expect(room.joined).toBe(true);
  room.leave();
  room.leave();
  await settle();
  expect(server.current.calls).toEqual(['join r', 'leave r']);
  expect(states).toEqual(['joining', 'joined', 'left']);
});

it('does nothing where it is left and joined again at once', async () => {
  const room = client.room('r');
  room.join().catch(() => {});
  room.leave();
  await room.join();
  room.leave();
  await room.join();
  expect(server.current.calls).toEqual(['join r']);
});

it('tells who waits that it was left', async () => {
  const joining = client.room('r').join();
  client.room('r').leave();
  await expect(joining).rejects.toMatchObject({ code: 'discarded' });
  await settle();
  expect(server.current.calls).toEqual([]);
});

it('begins now when it is joined again', async () => {
  const room = client.room('r');
  const messages = record<Message>(room, 'message');
  await room.join();
  server.publish('r', 1);
  room.leave();
  await settle();
  server.publish('r', 2);
  await room.join();
  server.publish('r', 3);
  expect(messages.items.map(({ data }) => data)).toEqual([1, 3]);
});

it('tries again what cannot be joined now', async () => {
  let fail = true;
  server.onJoin = () => {
    if (fail) throw new RealtimeError('unavailable', 'Not now.');
  };
  const room = client.room('r');
  const joined = room.join();
  await settle();
  await vi.advanceTimersByTimeAsync(1_000);
  fail = false;
  await vi.advanceTimersByTimeAsync(2_000);
  await joined;
  expect(server.current.calls).toEqual(['join r', 'join r', 'join r']);
});

it('is tried again by the next connection, also where it was refused', async () => {
  server.onJoin = () => {
    throw new RealtimeError('not_allowed', 'No.');
  };
  const room = client.room('r');
  await expect(room.join()).rejects.toMatchObject({ code: 'not_allowed' });
  expect(room.error).toMatchObject({ code: 'not_allowed' });
  server.onJoin = () => {};
  server.current.break();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(room).toMatchObject({ state: 'joined', error: undefined });
});

it('resumes after what was received, and drops what comes twice', async () => {
  const room = client.room('r');
  const messages = record<Message>(room, 'message');
  await room.join();
  server.publish('r', 1);
  const former = server.current;
  former.break();
  server.publish('r', 2);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(server.current.session!.rooms.get('r')).toBe(`${EPOCH}:1`);
  server.current.events.message(server.log('r')[0]!);
  former.events.message(server.publish('r', 3));
  expect(messages.items.map(({ data }) => data)).toEqual([1, 2, 3]);
});

it('begins anew where its cursor is no good', async () => {
  const room = client.room('r');
  const gaps = record(room, 'gap');
  await room.join();
  server.publish('r', 1);
  server.onJoin = () => {
    server.onJoin = () => {};
    throw new RealtimeError('invalid_cursor', 'Of another channel.');
  };
  server.current.break();
  await vi.advanceTimersByTimeAsync(1_000);
  await settle();
  expect(room.joined).toBe(true);
  expect(gaps.items).toMatchObject([{ room: 'r', reason: 'not_recovered' }]);
});

it('keeps its cursor in the storage, until it is left', async () => {
  const storage = new MemoryStorage();
  const saved = () => (JSON.parse(storage.getItem('orleans-realtime:ann')!) as { cursors: Record<string, string> }).cursors;
  client.close();
  client = server.connect({ storage });
  await client.connected();
  await client.room('r').join();
  server.publish('r', 1);
  await vi.advanceTimersByTimeAsync(200);
  expect(saved()['room:r']).toBe(`${EPOCH}:1`);
  client.close();
  client = server.connect({ storage });
  await client.connected();
  await vi.advanceTimersByTimeAsync(200);
  expect(saved()['room:r']).toBe(`${EPOCH}:1`);
  server.publish('r', 2);
  const messages = record<Message>(client.room('r'), 'message');
  await client.room('r').join();
  expect(messages.items.map(({ data }) => data)).toEqual([2]);
  client.room('r').leave();
  await settle();
  await vi.advanceTimersByTimeAsync(200);
  expect(saved()['room:r']).toBeUndefined();
});

it('keeps a list of members, asked for once and only where somebody looks', async () => {
  server.presence = [{ user: 'bob', connections: 1 }, { user: 'ann', connections: 2 }];
  const room = client.room('r');
  const presence = vi.spyOn(server.current, 'presence');
  await room.join();
  expect(presence).not.toHaveBeenCalled();
  const changes = vi.fn();
  room.on('members', changes);
  await settle();
  expect(room.members).toEqual({ count: 2, list: ['ann', 'bob'] });
  server.current.events.presence({ room: 'r', joined: ['eve'], left: ['bob'], members: 2 });
  expect(room.members).toEqual({ count: 2, list: ['ann', 'eve'] });
  expect(presence).toHaveBeenCalledTimes(1);
  expect(changes).toHaveBeenCalledTimes(2);
});

it('reports a handler that throws, and calls the others', async () => {
  const errors = record<Error>(client, 'error');
  const messages = vi.fn();
  client.room('r').on('message', () => {
    throw new Error('oops');
  });
  client.room('r').on('message', messages);
  await client.room('r').join();
  server.publish('r', 1);
  expect(messages).toHaveBeenCalledTimes(1);
  expect(errors.items).toMatchObject([{ message: 'oops' }]);
});

it('ends with the client', async () => {
  const room = client.room('r');
  await room.join();
  const states = record<RoomState>(room, 'state');
  client.close();
  expect(states.items).toEqual(['joining', 'left']);
  await expect(room.join()).rejects.toMatchObject({ code: 'closed' });
  await expect(room.send('x').kept).rejects.toMatchObject({ code: 'closed' });
  await expect(client.connected()).rejects.toMatchObject({ code: 'closed' });
  expect(vi.getTimerCount()).toBe(0);
});

it('hands messages to a loop, which joins and leaves', async () => {
  const seen: unknown[] = [];
  const loop = (async () => {
    for await (const { data } of client.room('r').messages()) {
      seen.push(data);
      if (data === 3) break;
    }
  })();
  await settle();
  for (const n of [1, 2, 3, 4]) server.publish('r', n);
  await loop;
  await settle();
  expect(seen).toEqual([1, 2, 3]);
  expect(server.current.calls).toEqual(['join r', 'leave r']);
});
