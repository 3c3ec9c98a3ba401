import { EventSource } from 'eventsource';
import { beforeEach, describe, expect, inject, it } from 'vitest';
import type { ConnectOptions, Gap, Message } from '../../src/index.js';
import { socketIO } from '../../src/transports/socketio.js';
import { clientOf, freshName, inState } from '../support/clients.js';
import { RunningGateway } from '../support/gateway.js';
import { Network } from '../support/network.js';
import { record } from '../support/record.js';

const gateway = new RunningGateway(inject('gatewayUrl'));
let network: Network;

beforeEach(async () => {
  network = await Network.to(gateway.url);
  return () => network.close();
});

describe('auto', () => {
  it('is SignalR where WebSockets get through', async () => {
    const ann = clientOf(gateway, 'ann');
    await ann.connected();
    expect(ann.info.transport).toBe('signalr');
  });

  it('is server-sent events where they do not', async () => {
    network.block(/Upgrade: websocket/i);
    const ann = clientOf(gateway, 'ann', { url: network.url });
    const room = ann.room(freshName());
    const messages = record<Message>(room, 'message');
    await room.join();
    expect(ann.info).toMatchObject({ transport: 'sse', attempt: 0 });
    await room.send('hello').kept;
    await messages.atLeast(1);
  });

  it('stays with SignalR where it has worked', async () => {
    const ann = clientOf(gateway, 'ann', { url: network.url });
    await ann.connected();
    network.block(/Upgrade: websocket/i);
    network.breakAll();
    await record<{ attempt: number }>(ann, 'info').find(({ attempt }) => attempt >= 3);
    expect(ann.info).toMatchObject({ state: 'reconnecting', transport: 'signalr' });
    network.block(/^$/);
    await inState(ann, 'connected');
  });
});

describe.each<[string, NonNullable<ConnectOptions['transport']>]>([
  ['signalr', 'signalr'], ['sse', 'sse'], ['socketio', socketIO({ transports: ['websocket'] })],
])('a client by %s that is too slow', (_, transport) => {
  it('is sent away, and comes back for the rest', async () => {
    const name = freshName();
    const [slow, bob] = [clientOf(gateway, 'ann', { url: network.url, transport }), clientOf(gateway, 'bob')];
    const messages = record<Message<string>>(slow.room(name), 'message');
    const gaps = record<Gap>(slow.room(name), 'gap');
    await Promise.all([slow.room(name).join(), bob.room(name).join()]);
    network.pause();
    // More than what fits into the buffers of two sockets and the queue of the connection.
    const text = 'x'.repeat(60_000);
    const last = Array.from({ length: 250 }, (_item, n) => bob.room(name).send(`${n} ${text}`)).at(-1)!;
    await last.kept;
    network.resume();
    await messages.atLeast(250);
    expect(messages.items.map(({ data }) => Number.parseInt(data))).toEqual(Array.from({ length: 250 }, (_item, n) => n));
    expect(gaps.items).toEqual([]);
    await inState(slow, 'connected');
    await bob.room(name).send('live').kept;
    await messages.atLeast(251);
    expect(slow.info.reconnects).toBe(1);
  });
});

it('has events for an EventSource that knows nothing of this library', async () => {
  const ann = clientOf(gateway, 'ann');
  const job = await ann.jobs.start('deploy', { featureId: 'x' });
  const progress: number[] = [];
  const source = new EventSource(`${gateway.url}${job.events}?access_token=${await gateway.token('ann')}`);
  source.addEventListener('message', ({ data }) => progress.push((JSON.parse(data) as { progress: number }).progress));
  await new Promise((resolve) => source.addEventListener('complete', resolve));
  source.close();
  expect(progress).toEqual([25, 50, 75, 100]);
});
