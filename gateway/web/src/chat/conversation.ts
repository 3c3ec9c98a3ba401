import { Timeline } from './timeline.ts';

/** One room, or everything with one user. */
export interface Conversation {
  /** `room:general` or `user:bob`. */
  readonly id: string;
  readonly kind: 'room' | 'direct';
  readonly name: string;
  /** Another one when encryption is turned on or off: what can be read is another matter then. */
  timeline: Timeline;
  unread: number;
  /** The newest messages have been read from the history. */
  loaded: boolean;
  canLoadOlder: boolean;
  /** Declared encrypted: nothing leaves in the clear, and what comes in the clear is refused. */
  encrypted: boolean;
}

/** What the server sends without a sender comes under this name. */
const SERVER = 'server';

export const roomId = (room: string): string => `room:${room}`;
export const directId = (user: string | undefined): string => `user:${user ?? SERVER}`;

export function newConversation(id: string, encrypted: boolean): Conversation {
  const kind = id.startsWith('room:') ? 'room' : 'direct';
  return {
    id,
    kind,
    name: id.slice(id.indexOf(':') + 1),
    timeline: newTimeline(kind),
    unread: 0,
    loaded: false,
    canLoadOlder: false,
    encrypted,
  };
}

export const newTimeline = (kind: Conversation['kind']): Timeline => new Timeline({ byTime: kind === 'direct' });

export const label = ({ kind, name }: Conversation): string => (kind === 'direct' ? name : `#${name}`);
