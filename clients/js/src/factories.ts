import type { ConnectOptions } from './api.js';
import { TransportBlocked } from './transports/blocked.js';
import type { TransportFactory } from './transports/transport.js';

// Imported when they are used: who needs one does not load the other.
const signalr: TransportFactory = {
  name: 'signalr',
  async create(context) {
    const module = await import('./transports/signalr.js').catch((error: unknown) => {
      throw new TransportBlocked('SignalR', error);
    });
    return new module.SignalRTransport(context);
  },
};

const sse: TransportFactory = {
  name: 'sse',
  async create(context) {
    const { SseTransport } = await import('./transports/sse.js');
    return new SseTransport(context);
  },
};

/** The transports to be tried, in this order. */
export function factoriesOf(transport: ConnectOptions['transport'] = 'auto'): readonly TransportFactory[] {
  if (transport === 'auto') return [signalr, sse];
  if (transport === 'signalr') return [signalr];
  if (transport === 'sse') return [sse];
  if (typeof transport === 'string') throw new TypeError(`The transport '${String(transport)}' is not known; it is 'auto', 'signalr', 'sse', or what socketIO() gives.`);
  return [transport];
}
