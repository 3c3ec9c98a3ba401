import { memo } from 'react';
import { Avatar } from '../ui/Avatar.tsx';
import { Icon } from '../ui/icons.tsx';
import { inFull, shortTime, textOf } from '../ui/text.ts';
import type { Entry, MessageEntry } from './timeline.ts';

interface Props {
  entry: Entry;
  direct: boolean;
  /** It belongs to the one above, whose heading says who and when. */
  continued: boolean;
  onRetry: (messageId: string) => void;
  onDiscard: (messageId: string) => void;
}

/** Drawn again only when its entry is another one. */
export const MessageRow = memo(
  function MessageRow({ entry, direct, continued, onRetry, onDiscard }: Props) {
    if (entry.kind === 'gap') return <li className="gap" data-testid="gap-marker"><span>Some messages may be missing here</span></li>;
    const { from, state, offset, messageId, mine, encrypted, event, refused } = entry;
    const at = entry.time ? new Date(entry.time) : new Date();
    const author = from ?? 'Server';
    return (
      <li className={`entry ${state}${continued ? ' continued' : ''}`} data-testid={refused ? 'refused-message' : direct ? 'direct-message' : 'message'}
        data-state={state} data-offset={offset} data-from={from} data-message-id={messageId} data-encrypted={encrypted || undefined} data-refused={refused?.code}>
        <Avatar user={from ?? 'server'} large />
        <div className="heading">
          <strong>{author}</strong>
          {encrypted && <span role="img" aria-label="encrypted" title="End-to-end encrypted"><Icon name="lock" /></span>}
          <time dateTime={at.toISOString()} title={inFull(at)}>{shortTime(at)}</time>
        </div>
        <div className="body">
          {refused ? (
            <p className="refused"><Icon name="warning" /><span>{refused.message} <code>{refused.code}</code></span></p>
          ) : (
            <p className="text" dir="auto">
              {event !== 'message' && <span className="tag">{event}</span>}
              {textOf(entry.data)}
              {mine && state === 'acknowledged' && <span className="delivery" role="img" aria-label="kept" title={`Kept at offset ${offset}`}><Icon name="check" /></span>}
            </p>
          )}
          {mine && state !== 'acknowledged' && <Delivery entry={entry} onRetry={onRetry} onDiscard={onDiscard} />}
        </div>
      </li>
    );
  },
  (before, after) => before.entry === after.entry && before.continued === after.continued,
);

function Delivery({ entry: { state, error, messageId }, onRetry, onDiscard }: { entry: MessageEntry; onRetry: (id: string) => void; onDiscard: (id: string) => void }) {
  if (state === 'pending') return <span className="delivery">Sending…</span>;
  return (
    <span className="delivery">
      Not sent{error ? `: ${error}` : ''}
      <button type="button" data-testid="retry-message" onClick={() => onRetry(messageId!)}>Send again</button>
      <button type="button" data-testid="discard-message" onClick={() => onDiscard(messageId!)}>Discard</button>
    </span>
  );
}
