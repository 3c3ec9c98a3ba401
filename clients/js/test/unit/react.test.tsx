// @vitest-environment happy-dom
import { act, cleanup, render, renderHook, screen } from '@testing-library/react';
import { StrictMode, type ReactNode } from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Client, ConnectOptions } from '../../src/index.js';
import { RealtimeProvider, useClient, useConnectionState, useDirect, usePresence, useRoom, useSSE } from '../../src/react/index.js';
import { EPOCH, FakeServer, settle, tokenOf } from '../support/fake.js';

let server: FakeServer;
let client: Client;
let complaints: ReturnType<typeof vi.spyOn>;

beforeEach(async () => {
  server = new FakeServer();
  client = server.connect();
  await client.connected();
  complaints = vi.spyOn(console, 'error');
});
afterEach(() => {
  cleanup();
  client.close();
  // React complains there: of updates outside of act, of what it cannot compare, of states that change while it renders.
  expect(complaints.mock.calls).toEqual([]);
  vi.restoreAllMocks();
});

const wrapper = ({ children }: { children: ReactNode }) => <StrictMode><RealtimeProvider client={client}>{children}</RealtimeProvider></StrictMode>;
const happens = (action: () => void = () => {}) => act(async () => {
  action();
  await settle();
});

describe('useRoom', () => {
  it('shows the history and what comes, and joins and loads once in StrictMode', async () => {
    for (let n = 1; n <= 5; n++) server.publish('r', n);
    const { result, unmount } = renderHook(() => useRoom('r', { history: 2 }), { wrapper });
    expect(result.current).toMatchObject({ state: 'joining', messages: [], pending: [] });
    await happens();
    expect(result.current).toMatchObject({ state: 'joined', loading: false, canLoadOlder: true });
    expect(result.current.messages.map(({ data }) => data)).toEqual([4, 5]);
    await happens(() => server.publish('r', 6));
    expect(result.current.messages.map(({ data }) => data)).toEqual([4, 5, 6]);
    expect(server.current.calls).toEqual(['join r']);
    expect(server.histories).toHaveLength(1);
    unmount();
    await settle();
    expect(server.current.calls).toEqual(['join r', 'leave r']);
    server.publish('r', 7);
    expect(result.current.messages).toHaveLength(3);
  });

  it('loads older messages', async () => {
    for (let n = 1; n <= 5; n++) server.publish('r', n);
    const { result } = renderHook(() => useRoom('r', { history: 2 }), { wrapper });
    await happens();
    await happens(() => void result.current.loadOlder());
    expect(result.current.messages.map(({ data }) => data)).toEqual([2, 3, 4, 5]);
    await happens(() => void result.current.loadOlder());
    expect(result.current.messages.map(({ data }) => data)).toEqual([1, 2, 3, 4, 5]);
    expect(result.current.canLoadOlder).toBe(false);
  });

  it('shows what is under way until it is kept, without a moment in which it is neither or both', async () => {
    const views: [number, number][] = [];
    const { result } = renderHook(() => {
      const room = useRoom('r');
      views.push([room.pending.length, room.messages.length]);
      return room;
    }, { wrapper });
    await happens();
    let finish = () => {};
    server.onSend = () => new Promise((resolve) => (finish = resolve));
    await happens(() => void result.current.send('hello'));
    expect(result.current.pending).toMatchObject([{ data: 'hello', state: 'sending' }]);
    await happens(() => finish());
    expect(result.current.pending).toEqual([]);
    expect(result.current.messages).toMatchObject([{ data: 'hello', from: 'ann', offset: 1 }]);
    const sequence = views.map(([pending, messages]) => pending + messages);
    expect(sequence.lastIndexOf(0)).toBeLessThan(sequence.indexOf(1));
    expect(sequence).not.toContain(2);
  });

  it('keeps what failed, to be sent again or discarded', async () => {
    const { RealtimeError } = await import('../../src/index.js');
    const { result } = renderHook(() => useRoom('r'), { wrapper });
    await happens();
    server.onSend = () => {
      throw new RealtimeError('payload_too_large', 'Too large.');
    };
    await happens(() => void result.current.send('x'));
    expect(result.current.pending).toMatchObject([{ state: 'failed', error: { code: 'payload_too_large' } }]);
    await happens(() => result.current.pending[0]!.discard());
    expect(result.current.pending).toEqual([]);
  });

  it('loads anew after a gap', async () => {
    for (let n = 1; n <= 3; n++) server.publish('r', n);
    const { result } = renderHook(() => useRoom('r', { history: 2 }), { wrapper });
    await happens();
    await happens(() => {
      for (let n = 4; n <= 9; n++) server.log('r').push({ ...server.log('r')[0]!, offset: n, data: n, cursor: `${EPOCH}:${n}` });
      server.current.events.gap({ room: 'r', reason: 'trimmed', cursor: `${EPOCH}:7` });
    });
    expect(result.current.messages.map(({ data }) => data)).toEqual([8, 9]);
  });

  it('tells why a room cannot be joined', async () => {
    const { RealtimeError } = await import('../../src/index.js');
    server.onJoin = () => {
      throw new RealtimeError('not_allowed', 'No.');
    };
    const { result } = renderHook(() => useRoom('r'), { wrapper });
    await happens();
    expect(result.current).toMatchObject({ state: 'failed', error: { code: 'not_allowed' } });
  });

  it('changes rooms', async () => {
    server.publish('a', 'in a');
    server.publish('b', 'in b');
    const { result, rerender } = renderHook(({ name }) => useRoom(name), { wrapper, initialProps: { name: 'a' } });
    await happens();
    rerender({ name: 'b' });
    expect(result.current.messages).toEqual([]);
    await happens();
    expect(result.current.messages.map(({ data }) => data)).toEqual(['in b']);
    expect([...server.current.rooms]).toEqual(['b']);
  });

  it('shares a room with another component, and leaves it with the last', async () => {
    const first = renderHook(() => useRoom('r'), { wrapper });
    const second = renderHook(() => usePresence('r'), { wrapper });
    await happens();
    first.unmount();
    await settle();
    expect(server.current.calls).toEqual(['join r']);
    second.unmount();
    await settle();
    expect(server.current.calls).toEqual(['join r', 'leave r']);
  });

  it('keeps the newest of a busy room', async () => {
    const { result } = renderHook(() => useRoom('r', { keep: 3 }), { wrapper });
    await happens();
    await happens(() => {
      for (let n = 1; n <= 5; n++) server.publish('r', n);
    });
    expect(result.current.messages.map(({ data }) => data)).toEqual([3, 4, 5]);
    expect(result.current.canLoadOlder).toBe(true);
  });
});

it('usePresence shows who comes and goes', async () => {
  server.presence = [{ user: 'ann', connections: 1 }];
  const { result } = renderHook(() => usePresence('r'), { wrapper });
  await happens();
  expect(result.current).toEqual({ count: 1, list: ['ann'] });
  await happens(() => server.current.events.presence({ room: 'r', joined: ['bob'], left: [], members: 2 }));
  expect(result.current).toEqual({ count: 2, list: ['ann', 'bob'] });
});

it('useDirect shows both directions by their times', async () => {
  const { result } = renderHook(() => useDirect('bob'), { wrapper });
  await happens();
  const message = { event: 'message', from: 'bob', offset: 1, epoch: EPOCH, cursor: `${EPOCH}:1`, time: '2026-11-25T11:00:00.000Z', data: 'hi' };
  await happens(() => server.current.events.direct(message));
  await happens(() => server.current.events.direct({ ...message, from: 'eve', offset: 2, cursor: `${EPOCH}:2` }));
  await happens(() => void result.current.send('hello'));
  expect(result.current.messages.map(({ from, data }) => [from, data])).toEqual([['bob', 'hi'], ['ann', 'hello']]);
});

it('useConnectionState follows the connection', async () => {
  const { result, unmount } = renderHook(() => useConnectionState(), { wrapper });
  expect(result.current.state).toBe('connected');
  await happens(() => server.current.break());
  expect(result.current).toMatchObject({ state: 'reconnecting', attempt: 1 });
  expect(result.current.retryAt).toBeGreaterThan(Date.now());
  unmount();
  client.reconnect();
  await client.connected();
});

it('useClient needs a provider', () => {
  complaints.mockImplementation(() => {});
  expect(() => renderHook(() => useClient())).toThrow('RealtimeProvider');
  complaints.mockClear();
});

it('a provider with options has a client of its own, and one at a time in StrictMode', async () => {
  const options = { url: 'http://server.test', token: tokenOf('eve'), transport: server.transport, fetch: server.fetch } satisfies ConnectOptions;
  function Who() {
    const { state } = useConnectionState();
    return <p>{useClient().user} is {state}</p>;
  }
  const { unmount } = render(<StrictMode><RealtimeProvider options={options} fallback={<p>wait</p>}><Who /></RealtimeProvider></StrictMode>);
  await act(async () => {
    await vi.waitUntil(() => server.connections.some(({ session, up }) => up && session!.user === 'eve'));
    await settle();
  });
  expect(screen.getByText('eve is connected')).toBeTruthy();
  const ofEve = () => server.connections.filter(({ session, up }) => up && session!.user === 'eve');
  expect(ofEve()).toHaveLength(1);
  unmount();
  expect(ofEve()).toHaveLength(0);
});

describe('useSSE', () => {
  class FakeSource extends EventTarget {
    static readonly all: FakeSource[] = [];
    readonly CLOSED = 2;
    readyState = 0;

    constructor(readonly url: string) {
      super();
      FakeSource.all.push(this);
    }

    close() {
      this.readyState = 2;
    }

    say(name: string, data?: string) {
      this.dispatchEvent(data === undefined ? new Event(name) : new MessageEvent(name, { data }));
    }
  }

  const eventSource = FakeSource as unknown as typeof EventSource;
  const open = () => FakeSource.all.filter(({ readyState }) => readyState !== 2);

  beforeEach(() => void (FakeSource.all.length = 0));

  it('shows the data, and the result at the end', async () => {
    const { result, unmount } = renderHook(() => useSSE<{ progress: number }>('/jobs/1/events', { eventSource }), { wrapper: StrictMode });
    expect(result.current).toEqual({ status: 'connecting', data: null, result: undefined, error: null });
    expect(open()).toHaveLength(1);
    const [source] = open();
    await happens(() => source!.say('open'));
    await happens(() => source!.say('message', '{"progress":50}'));
    expect(result.current).toMatchObject({ status: 'open', data: { progress: 50 } });
    await happens(() => source!.say('complete', '{"version":"1.0"}'));
    expect(result.current).toMatchObject({ status: 'complete', result: { version: '1.0' }, data: { progress: 50 }, error: null });
    expect(open()).toHaveLength(0);
    unmount();
    source!.say('message', '{}');
  });

  it('tells the server\'s error from one of the connection', async () => {
    const { result, rerender } = renderHook(({ url }: { url: string | null }) => useSSE(url, { eventSource }), { initialProps: { url: 'a' as string | null } });
    await happens(() => open()[0]!.say('open'));
    await happens(() => open()[0]!.say('error'));
    expect(result.current).toMatchObject({ status: 'reconnecting', error: null });
    await happens(() => open()[0]!.say('open'));
    await happens(() => open()[0]!.say('error', '{"code":"cancelled","message":"By its owner."}'));
    expect(result.current).toMatchObject({ status: 'error', error: { code: 'cancelled', message: 'By its owner.' } });
    rerender({ url: 'b' });
    const [refused] = open();
    await happens(() => {
      refused!.readyState = 2;
      refused!.say('error');
    });
    expect(result.current).toMatchObject({ status: 'error', error: { code: 'connection_failed' } });
    rerender({ url: null });
    expect(open()).toHaveLength(0);
  });
});
