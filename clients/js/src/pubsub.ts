import type { Publication, Room, Subscription } from './api.js';
import type { Message } from './messages.js';
import { matcher, roomOf } from './topics.js';

/** Topics are events of a room that their first word names: who subscribes joins that room, and picks out what matches. */
export function subscribe<T>(room: (name: string) => Room, pattern: string, handler: (data: T, publication: Publication<T>) => void): Subscription {
  const matches = matcher(pattern);
  const channel = room(roomOf(pattern));
  const stopListening = channel.on('message', (message) => {
    if (matches(message.event)) handler(message.data as T, { ...(message as Message<T>), topic: message.event });
  });
  const ready = channel.join();
  ready.catch(() => {}); // The room tells as well.
  let stopped = false;
  const stop = () => {
    if (stopped) return;
    stopped = true;
    stopListening();
    channel.leave();
  };
  return Object.assign(stop, { ready });
}
