import { useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import type { Direct, Room, Sent } from '../api.js';
import type { Members, SendOptions } from '../messages.js';
import { DirectTimeline, RoomTimeline, type RoomTimelineState, type TimelineOptions, type TimelineState } from '../timeline.js';
import { useClient } from './context.js';

interface Actions {
  send: (data: unknown, options?: SendOptions) => Sent;
  loadOlder: () => Promise<void>;
}

/** A room as long as the component is mounted: history, what comes, what is under way, and who is there. */
export function useRoom<T = unknown>(name: string, { history, keep, encrypted }: TimelineOptions = {}): RoomTimelineState<T> & Actions & { room: Room<T> } {
  const client = useClient();
  const timeline = useMemo(() => new RoomTimeline<T>(client, name, given({ history, keep, encrypted })), [client, name, history, keep, encrypted]);
  const state = useTimeline(timeline);
  const { room, send, loadOlder } = timeline;
  return { ...state, room, send, loadOlder };
}

/** The conversation with a user. */
export function useDirect<T = unknown>(user: string, { history, keep, encrypted }: TimelineOptions = {}): TimelineState<T> & Actions & { direct: Direct<T> } {
  const client = useClient();
  const timeline = useMemo(() => new DirectTimeline<T>(client, user, given({ history, keep, encrypted })), [client, user, history, keep, encrypted]);
  const state = useTimeline(timeline);
  const { direct, send, loadOlder } = timeline;
  return { ...state, direct, send, loadOlder };
}

/** Who is in a room, which is joined for that. */
export function usePresence(name: string): Members {
  const client = useClient();
  const [members, setMembers] = useState<Members>({ count: 0, list: [] });
  useEffect(() => {
    const room = client.room(name);
    const stop = room.on('members', setMembers);
    setMembers(room.members);
    room.join().catch(() => {}); // Its state tells.
    return () => {
      stop();
      room.leave();
    };
  }, [client, name]);
  return members;
}

function useTimeline<S>({ subscribe, getSnapshot, start }: { subscribe: (listener: () => void) => () => void; getSnapshot: () => S; start: () => () => void }): S {
  useEffect(start, [start]);
  return useSyncExternalStore(subscribe, getSnapshot, getSnapshot);
}

/** Without what is undefined. */
function given({ history, keep, encrypted }: { [K in keyof TimelineOptions]: TimelineOptions[K] | undefined }): TimelineOptions {
  return { ...(history !== undefined && { history }), ...(keep !== undefined && { keep }), ...(encrypted !== undefined && { encrypted }) };
}
