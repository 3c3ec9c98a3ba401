import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useModel } from '../model.ts';
import { Icon } from '../ui/icons.tsx';
import type { Conversation } from './conversation.ts';
import type { Conversations } from './conversations.ts';
import { MessageRow } from './MessageRow.tsx';
import type { Entry } from './timeline.ts';

/** Pixels from the end that still count as being there. */
const AT_END_WITHIN = 80;

/** Messages of one author closer than this share one heading. */
const GROUPED_WITHIN = 5 * 60_000;

export function MessageList({ conversations, conversation }: { conversations: Conversations; conversation: Conversation }) {
  useModel(conversations);
  const log = useRef<HTMLDivElement>(null);
  const { entries } = conversation.timeline;
  const first = entries[0]?.id;
  const last = entries.at(-1);
  const scroll = useRef({ first, last: last?.id, height: 0, following: true });
  const [newBelow, setNewBelow] = useState(false);

  const toEnd = () => {
    log.current!.scrollTop = log.current!.scrollHeight;
    setNewBelow(false);
  };

  // What is being read stays where it is: the end while it is in view, and otherwise the place from the end when older messages come in above.
  useLayoutEffect(() => {
    const element = log.current!;
    const before = scroll.current;
    if (before.following || (last?.kind === 'message' && last.state === 'pending' && last.id !== before.last)) toEnd();
    else if (first !== before.first) element.scrollTop += element.scrollHeight - before.height;
    else if (last?.id !== before.last && last?.kind === 'message' && !last.mine) setNewBelow(true);
    scroll.current = { ...before, first, last: last?.id, height: element.scrollHeight };
  }, [entries, first, last]);

  // A growing composer or a phone's keyboard takes room from the end, which is what is being read.
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (scroll.current.following) toEnd();
    });
    observer.observe(log.current!);
    return () => observer.disconnect();
  }, []);

  const onScroll = () => {
    const { scrollHeight, scrollTop, clientHeight } = log.current!;
    const following = scrollHeight - scrollTop - clientHeight < AT_END_WITHIN;
    scroll.current.following = conversations.atEnd = following;
    if (following) setNewBelow(false);
  };

  return (
    <>
      <div ref={log} className="messages scrolls" data-testid="message-list" role="log" aria-live="polite" aria-label="Messages" tabIndex={0} onScroll={onScroll}>
        {conversation.canLoadOlder && <button type="button" className="quiet older" data-testid="load-older" onClick={() => void conversations.loadOlder()}>Load older messages</button>}
        {entries.length === 0 && <p className="empty muted">{emptyText(conversation)}</p>}
        <ol className="entries">
          {entries.map((entry, index) => (
            <MessageRow key={entry.id} entry={entry} direct={conversation.kind === 'direct'} continued={isContinued(entries[index - 1], entry)}
              onRetry={(messageId) => conversations.retry(messageId)} onDiscard={(messageId) => conversations.discard(conversation, messageId)} />
          ))}
        </ol>
      </div>
      {newBelow && <button type="button" className="to-newest" onClick={toEnd}>New messages <Icon name="down" /></button>}
    </>
  );
}

function emptyText({ kind, name, loaded }: Conversation): string {
  if (kind === 'direct') return `Nothing yet between you and ${name}.`;
  return loaded ? 'Nothing here yet. Say hello.' : 'Loading…';
}

function isContinued(previous: Entry | undefined, entry: Entry): boolean {
  if (previous?.kind !== 'message' || entry.kind !== 'message' || previous.from !== entry.from || previous.encrypted !== entry.encrypted) return false;
  return timeOf(entry) - timeOf(previous) < GROUPED_WITHIN;
}

const timeOf = ({ time }: { time?: string }): number => (time ? Date.parse(time) : Date.now());
