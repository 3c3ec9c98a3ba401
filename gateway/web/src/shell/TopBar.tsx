import { useConnectionState, usePresence } from 'orleans-realtime/react';
import { label } from '../chat/conversation.ts';
import type { Desk } from '../chat/desk.ts';
import { useModel } from '../model.ts';
import { TRANSPORTS, type TransportName } from '../session/session.ts';
import { Icon } from '../ui/icons.tsx';
import { plural } from '../ui/text.ts';
import type { Panel } from './Shell.tsx';
import { TOOL_NAMES } from './tools.ts';

interface Props {
  desk: Desk;
  panel: Panel;
  navOpen: boolean;
  inert: boolean;
  onPanel: (panel: Panel) => void;
  onMenu: () => void;
}

export function TopBar({ desk, panel, navOpen, inert, onPanel, onMenu }: Props) {
  const { state, transport } = useConnectionState();
  const conversations = useModel(desk.conversations);
  const { open } = conversations;
  const toggle = (other: Panel) => () => onPanel(panel === other ? null : other);

  return (
    <header className="top" inert={inert}>
      <button type="button" className="icon menu" aria-label="Conversations and tools" aria-controls="nav" aria-expanded={navOpen} data-testid="open-nav" onClick={onMenu}>
        <Icon name="menu" />
        {conversations.unread > 0 && <span className="dot" />}
      </button>
      <div className="title">
        {desk.tool ? <h1>{TOOL_NAMES[desk.tool].title}</h1> : <h1>{open ? label(open) : 'No conversation'}</h1>}
        <p className="muted">
          {desk.tool ? TOOL_NAMES[desk.tool].subtitle : open?.kind === 'room' ? <MemberCount room={open.name} /> : open ? 'Direct messages' : ''}
        </p>
      </div>
      {open && !desk.tool && (
        <button type="button" className="icon" aria-label={`Encryption: ${open.encrypted ? 'on' : 'off'}`} title={`Encryption: ${open.encrypted ? 'on' : 'off'}`} data-testid="security-button"
          aria-controls="panel" aria-expanded={panel === 'security'} onClick={toggle('security')}>
          <Icon name={open.encrypted ? 'lock' : 'unlocked'} />
        </button>
      )}
      {open?.kind === 'room' && !desk.tool && (
        <button type="button" className="icon" aria-label="Members" title="Members" data-testid="members-button" aria-controls="panel" aria-expanded={panel === 'members'} onClick={toggle('members')}>
          <Icon name="members" />
        </button>
      )}
      <button type="button" className={`status ${state}`} aria-controls="panel" aria-expanded={panel === 'inspector'} title="Connection inspector" data-testid="inspector-button" onClick={toggle('inspector')}>
        <span className="lamp" aria-hidden="true" />
        <span data-testid="connection-state" data-state={state} role="status">{state}</span>
        <span className="via muted" data-testid="transport-label" data-transport={transport}>{TRANSPORTS[transport as TransportName] ?? transport}</span>
      </button>
    </header>
  );
}

function MemberCount({ room }: { room: string }) {
  const { count } = usePresence(room);
  return count > 0 && plural(count, 'member');
}
