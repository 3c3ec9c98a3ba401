import { usePresence } from 'orleans-realtime/react';
import { PanelFrame } from '../shell/PanelFrame.tsx';
import { Avatar } from '../ui/Avatar.tsx';
import type { Conversation } from './conversation.ts';
import type { Desk } from './desk.ts';

const SHOWN = 200;

export function Members({ desk, conversation, drawer, onClose }: { desk: Desk; conversation: Conversation; drawer: boolean; onClose: () => void }) {
  const { count, list } = usePresence(conversation.name);
  const shown = list.slice(0, SHOWN);
  const more = count - shown.length;

  return (
    <PanelFrame title="Members" kind="members" drawer={drawer} onClose={onClose}>
      <div className="scrolls" tabIndex={-1}>
        <ul className="items" aria-labelledby="panel-title">
          {shown.map((user) => (
            <li key={user}>
              {user === desk.user ? (
                <span className="open" data-testid="member-item" data-user={user}><Avatar user={user} /><span className="name">{user} (you)</span></span>
              ) : (
                <button type="button" className="open" data-testid="member-item" data-user={user} title={`Write to ${user}`} onClick={() => {
                  if (drawer) onClose();
                  desk.show(desk.conversations.writeTo(user));
                }}>
                  <Avatar user={user} /><span className="name">{user}</span>
                </button>
              )}
            </li>
          ))}
        </ul>
        {more > 0 && <p className="more muted">and {more.toLocaleString()} more</p>}
      </div>
    </PanelFrame>
  );
}
