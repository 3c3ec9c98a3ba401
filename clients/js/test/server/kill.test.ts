import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ConnectOptions, Message } from '../../src/index.js';
import { socketIO } from '../../src/transports/socketio.js';
import { clientOf, freshName, inState } from '../support/clients.js';
import { Gateway } from '../support/gateway.js';
import { record } from '../support/record.js';

let gateway: Gateway;

beforeAll(async () => {
  gateway = await Gateway.start();
});
afterAll(() => gateway?.stop());

it('survives the kill of the server, by each transport', async () => {
  const transports: [string, NonNullable<ConnectOptions['transport']>][] = [['signalr', 'signalr'], ['sse', 'sse'], ['socketio', socketIO()]];
  const name = freshName();
  const clients = transports.map(([user, transport]) => clientOf(gateway, user, { transport }));
  const received = clients.map((client) => record<Message>(client.room(name), 'message'));
  await Promise.all(clients.map((client) => client.room(name).join()));
  await clients[0]!.room(name).send('before').kept;
  await Promise.all(received.map((messages) => messages.atLeast(1)));
  await gateway.kill();
  await Promise.all(clients.map((client) => inState(client, 'reconnecting')));
  const sent = clients.map((client) => [1, 2].map((n) => client.room(name).send(`${client.user} ${n}`)));
  await gateway.restart();
  await Promise.all(sent.flat().map(({ kept }) => kept));
  await Promise.all(received.map((messages) => messages.atLeast(7)));
  for (const { items } of received) {
    expect(items.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(items).toEqual(received[0]!.items);
  }
  for (const { user } of clients) {
    expect(received[0]!.items.filter(({ from }) => from === user && from !== undefined).map(({ data }) => data).slice(-2)).toEqual([`${user} 1`, `${user} 2`]);
  }
});
