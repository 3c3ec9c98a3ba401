/** A place in a channel's log: `epoch:offset`. */
export interface Cursor {
  epoch: string;
  offset: number;
}

export function parseCursor(text: string): Cursor {
  const colon = text.lastIndexOf(':');
  return { epoch: text.slice(0, colon), offset: Number(text.slice(colon + 1)) };
}

export const INBOX = 'inbox';
export const NOTIFICATIONS = 'notifications';
export const roomChannel = (room: string): string => `room:${room}`;
