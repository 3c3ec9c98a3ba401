import type { Room } from './api.js';
import { Deferred } from './deferred.js';
import { RealtimeError } from './errors.js';
import type { Message } from './messages.js';

// Messages that may wait for a loop that is slower than its room.
const LIMIT = 10_000;

/** Joins the room, and hands out its messages until the loop or the signal ends that. */
export async function* iterate(room: Room, signal: AbortSignal | undefined): AsyncGenerator<Message> {
  let waiting: Message[] = [];
  let failure: Error | undefined;
  let wake = new Deferred<void>();
  const stops = [
    room.on('message', (message) => {
      if (waiting.length < LIMIT) waiting.push(message);
      else failure ??= new RealtimeError('slow_consumer', `${LIMIT} messages of '${room.name}' wait already. Read on after the cursor of the last one.`);
      wake.resolve();
    }),
    room.on('error', (error) => {
      failure ??= error;
      wake.resolve();
    }),
    room.on('state', (state) => {
      if (state === 'left') wake.resolve();
    }),
  ];
  const aborted = () => wake.resolve();
  signal?.addEventListener('abort', aborted);
  try {
    if (signal?.aborted) return;
    void room.join().catch(() => {}); // The event says why not.
    for (;;) {
      const batch = waiting;
      waiting = [];
      for (const message of batch) {
        if (signal?.aborted) return;
        yield message;
      }
      if (waiting.length > 0) continue;
      if (failure) throw failure;
      if (signal?.aborted || room.state === 'left') return;
      await wake.promise;
      wake = new Deferred();
    }
  } finally {
    signal?.removeEventListener('abort', aborted);
    for (const stop of stops) stop();
    room.leave();
  }
}
