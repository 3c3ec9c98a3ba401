import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RealtimeError, type Client, type ConnectionState, type ConnectOptions } from '../../src/index.js';
import { TransportBlocked } from '../../src/transports/blocked.js';
import { FakeServer, settle, tokenOf } from '../support/fake.js';

let server: FakeServer;
const clients: Client[] = [];

function connect(options: Partial<ConnectOptions> = {}): { client: Client; states: ConnectionState[] } {
  const client = server.connect(options);
  clients.push(client);
  const states: ConnectionState[] = [client.state];
  client.on('state', (state) => states.push(state));
  return { client, states };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(0);
  server = new FakeServer();
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const down = () => {
  server.onStart = () => {
    throw new TypeError('fetch failed');
  };
};
const up = () => {
  server.onStart = () => {};
};

describe('delays', () => {
  it('tries after 1, 2, 4, 8, 16 and then every 30 seconds, and fails after ten times', async () => {
    down();
    const { client, states } = connect();
    const failed = expect(client.connected()).rejects.toThrow('fetch failed');
    await settle();
    const times: number[] = [];
    for (let attempt = 1; client.state !== 'failed'; attempt++) {
      expect(client.info).toMatchObject({ state: 'reconnecting', attempt });
      times.push(client.info.retryAt! - Date.now());
      await vi.advanceTimersByTimeAsync(times.at(-1)! - 1);
      expect(server.attempts).toBe(attempt);
      await vi.advanceTimersByTimeAsync(1);
      await settle();
      expect(server.attempts).toBe(attempt + 1);
    }
    await failed;
    expect(times).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000, 30000, 30000]);
    expect(states).toEqual(['connecting', 'reconnecting', 'failed']);
    expect(server.attempts).toBe(11);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('comes back from failed by reconnect', async () => {
    down();
    const { client } = connect({ backoff: { attempts: 0 } });
    await settle();
    expect(client.state).toBe('failed');
    up();
    client.reconnect();
    await client.connected();
  });

  it('begins anew after a connection that lasted, and goes on after one that did not', async () => {
    const { client } = connect();
    await client.connected();
    server.current.break();
    expect(client.info.retryAt! - Date.now()).toBe(1000);
    await vi.advanceTimersByTimeAsync(1000);
    expect(client.state).toBe('connected');
    server.current.break();
    expect(client.info.retryAt! - Date.now()).toBe(2000);
    await vi.advanceTimersByTimeAsync(2000);
    await vi.advanceTimersByTimeAsync(5000);
    server.current.break();
    expect(client.info.retryAt! - Date.now()).toBe(1000);
    expect(client.info.reconnects).toBe(2);
  });

  it('gives up an attempt that takes too long', async () => {
    server.onStart = () => new Promise(() => {});
    const { client } = connect({ connectTimeout: 3000 });
    await settle();
    await vi.advanceTimersByTimeAsync(3000);
    expect(client.info).toMatchObject({ state: 'reconnecting', attempt: 1, error: { code: 'timeout' } });
  });

  it('connects at once when the network is back', async () => {
    const target = new EventTarget();
    vi.stubGlobal('addEventListener', target.addEventListener.bind(target));
    vi.stubGlobal('removeEventListener', target.removeEventListener.bind(target));
    down();
    const { client } = connect();
    await settle();
    up();
    target.dispatchEvent(new Event('online'));
    await client.connected();
    // What looks connected is asked.
    server.current.onPing = () => Promise.reject(new Error('no answer'));
    target.dispatchEvent(new Event('online'));
    await settle();
    expect(client.state).toBe('reconnecting');
    client.close();
    target.dispatchEvent(new Event('online'));
    expect(client.state).toBe('closed');
    vi.unstubAllGlobals();
  });
});

describe('what the server says', () => {
  const closing = { code: 0, message: 'It says so.' };

  it('stays away where it shall not come back', async () => {
    const { client } = connect();
    await client.connected();
    await vi.advanceTimersByTimeAsync(6000);
    server.current.events.closing({ ...closing, reason: 'disconnected', reconnect: false });
    expect(client.state).toBe('failed');
    expect(client.info.error).toMatchObject({ code: 'disconnected', permanent: true });
    await vi.advanceTimersByTimeAsync(600_000);
    expect(server.attempts).toBe(1);
  });

  it('comes back at once when the gateway shuts down, after a delay when it was too slow', async () => {
    const { client } = connect();
    await client.connected();
    await vi.advanceTimersByTimeAsync(6000);
    server.current.events.closing({ ...closing, reason: 'shutting_down', reconnect: true });
    await settle();
    expect(client.state).toBe('connected');
    await vi.advanceTimersByTimeAsync(6000);
    server.current.events.closing({ ...closing, reason: 'slow_consumer', reconnect: true });
    await settle();
    expect(client.info.retryAt! - Date.now()).toBe(1000);
  });

  it('fails at what trying again does not heal', async () => {
    server.onStart = () => {
      throw new RealtimeError('rejected', 'This version is too old.', { data: { atLeast: 2 } });
    };
    const { client } = connect();
    await expect(client.connected()).rejects.toMatchObject({ code: 'rejected', data: { atLeast: 2 } });
    await vi.advanceTimersByTimeAsync(600_000);
    expect(server.attempts).toBe(1);
  });
});

describe('tokens', () => {
  const refused = () => new RealtimeError('unauthenticated', 'The token is not valid.');

  it('renews with a fifth of its life left, on the living connection', async () => {
    const requests: object[] = [];
    const { client } = connect({
      token: undefined as never,
      getToken: (request) => {
        requests.push(request);
        return tokenOf('ann', 100);
      },
    });
    await settle();
    await client.connected();
    await vi.advanceTimersByTimeAsync(79_000);
    expect(server.current.renewed).toEqual([]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(server.current.renewed).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(80_000);
    expect(server.current.renewed).toHaveLength(2);
    expect(requests).toEqual([{ refresh: false, reason: 'connect' }, { refresh: true, reason: 'expiring' }, { refresh: true, reason: 'expiring' }]);
    expect(server.attempts).toBe(1);
  });

  it('tries again where the new token cannot be fetched', async () => {
    let fail = false;
    const { client } = connect({
      token: undefined as never,
      getToken: () => {
        if (fail) throw new TypeError('fetch failed');
        return tokenOf('ann', 100);
      },
    });
    await settle();
    await client.connected();
    fail = true;
    await vi.advanceTimersByTimeAsync(81_000);
    expect(client.state).toBe('connected');
    fail = false;
    await vi.advanceTimersByTimeAsync(17_000);
    expect(server.current.renewed).toHaveLength(1);
  });

  it('connects anew where the new token allows other rooms', async () => {
    let rooms = ['a*'];
    const { client } = connect({ token: undefined as never, getToken: () => tokenOf('ann', 100, { join: rooms }) });
    await settle();
    await client.connected();
    rooms = ['b*'];
    await vi.advanceTimersByTimeAsync(81_000);
    await settle();
    expect(server.attempts).toBe(2);
    expect(client.state).toBe('connected');
  });

  it('fetches one where the server refuses, once, and at once', async () => {
    server.onStart = (attempt) => {
      if (attempt === 1) throw refused();
    };
    const reasons: string[] = [];
    const { client } = connect({ token: undefined as never, getToken: ({ reason }) => (reasons.push(reason), tokenOf('ann')) });
    await client.connected();
    expect(reasons).toEqual(['connect', 'refused']);
  });

  it('fails where the new one is refused as well', async () => {
    server.onStart = () => {
      throw refused();
    };
    const reasons: string[] = [];
    const { client } = connect({ token: undefined as never, getToken: ({ reason }) => (reasons.push(reason), tokenOf('ann')) });
    await expect(client.connected()).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(reasons).toEqual(['connect', 'refused']);
    expect(server.attempts).toBe(2);
  });

  it('fails where a fixed token is refused or has expired', async () => {
    server.onStart = () => {
      throw refused();
    };
    await expect(connect().client.connected()).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(connect({ token: tokenOf('ann', -1) }).client.connected()).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(server.attempts).toBe(1);
  });

  it('waits where the token cannot be fetched for now', async () => {
    let tries = 0;
    const { client } = connect({
      token: undefined as never,
      getToken: () => {
        if (++tries < 3) throw new TypeError('fetch failed');
        return tokenOf('ann');
      },
    });
    await vi.advanceTimersByTimeAsync(3_000);
    expect(client.state).toBe('connected');
  });

  it('does not become another user', async () => {
    let user = 'ann';
    const { client } = connect({ token: undefined as never, getToken: () => tokenOf(user) });
    await settle();
    await client.connected();
    user = 'bob';
    server.current.break(refused());
    await settle();
    expect(client.info).toMatchObject({ state: 'failed', error: { code: 'not_allowed' } });
  });

  it('needs one', () => {
    expect(() => connect({ token: undefined as never })).toThrow(TypeError);
  });
});

describe('a transport', () => {
  it('is one of those that there are', () => {
    expect(() => connect({ transport: 'socketio' as never })).toThrow("The transport 'socketio' is not known; it is 'auto', 'signalr', 'sse', or what socketIO() gives.");
  });
});

describe('a transport that is blocked', () => {
  it('is tried twice before another one is used', async () => {
    const { Connection } = await import('../../src/connection.js');
    const { Tokens } = await import('../../src/tokens.js');
    const blocked = vi.fn(() => {
      throw new TransportBlocked('SignalR', new Error('closed'));
    });
    const connection = new Connection({
      factories: [{ name: 'blocked', create: blocked }, server.transport],
      context: { url: '', rest: undefined as never, requestTimeout: 1000, connectTimeout: 1000, fetch: server.fetch, webSocket: undefined },
      events: {} as never,
      tokens: new Tokens({ token: tokenOf('ann') }),
      backoff: undefined,
      hooks: {
        session: async () => ({ rooms: new Map(), inbox: undefined, inboxEnd: 'e:0', notifications: 'e:0' }),
        started: () => {}, lost: () => {}, changed: () => {}, closing: () => {},
      },
    });
    connection.open();
    await settle();
    expect(connection.state).toBe('connected');
    expect(connection.transportName).toBe('fake');
    expect(blocked).toHaveBeenCalledTimes(2);
    connection.close();
  });
});
