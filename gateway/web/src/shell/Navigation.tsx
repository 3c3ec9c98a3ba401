import { type FormEvent, useEffect, useRef } from 'react';
import type { Conversation } from '../chat/conversation.ts';
import { type Desk, TOOLS } from '../chat/desk.ts';
import { useModel } from '../model.ts';
import { signOut, TRANSPORTS, type TransportName } from '../session/session.ts';
import { Avatar } from '../ui/Avatar.tsx';
import { Icon } from '../ui/icons.tsx';
import { textOf } from '../ui/text.ts';
import { TOOL_NAMES } from './tools.ts';

interface Props {
  desk: Desk;
  opened: boolean;
  inert: boolean;
  onClose: () => void;
  /** Something was chosen, so the drawer has done its work. */
  onChosen: () => void;
}

export function Navigation({ desk, opened, inert, onClose, onChosen }: Props) {
  useModel(desk);
  const conversations = useModel(desk.conversations);
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (opened) close.current?.focus();
  }, [opened]);

  const show = (view: string) => {
    desk.show(view);
    onChosen();
  };
  const join = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const room = String(new FormData(event.currentTarget).get('room')).trim();
    if (!room) return;
    event.currentTarget.reset();
    show(conversations.join(room));
  };

  return (
    <nav id="nav" className={`nav${opened ? ' opened' : ''}`} aria-label="Conversations and tools" inert={inert}>
      <div className="brand">
        <img src="/icon.svg" alt="" width="24" height="24" />
        <strong>OrleansRealtime</strong>
        <button type="button" ref={close} className="icon close" aria-label="Close" onClick={onClose}><Icon name="close" /></button>
      </div>
      <div className="lists scrolls">
        <h2 id="rooms-title">Rooms</h2>
        <ul className="items" aria-labelledby="rooms-title">
          {conversations.rooms.map((conversation) => (
            <li key={conversation.id}>
              <Open conversation={conversation} current={conversation === conversations.open} onOpen={show} />
              <button type="button" className="icon leave" aria-label={`Leave ${conversation.name}`} title="Leave" data-testid="leave-button" onClick={() => conversations.leave(conversation)}>
                <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
        <form className="join" autoComplete="off" onSubmit={join}>
          <input name="room" data-testid="room-input" maxLength={128} aria-label="Room to join" placeholder="Join a room…" autoCapitalize="none" spellCheck={false} />
          <button className="icon" data-testid="join-button" aria-label="Join"><Icon name="plus" /></button>
        </form>
        {conversations.directs.length > 0 && (
          <>
            <h2 id="directs-title">Direct messages</h2>
            <ul className="items" aria-labelledby="directs-title">
              {conversations.directs.map((conversation) => (
                <li key={conversation.id}><Open conversation={conversation} current={conversation === conversations.open} onOpen={show} /></li>
              ))}
            </ul>
          </>
        )}
        <h2 id="tools-title">Tools</h2>
        <ul className="items" aria-labelledby="tools-title">
          {TOOLS.map((tool) => (
            <li key={tool}>
              <button type="button" className="open" data-testid={`tool-${tool}`} aria-current={desk.tool === tool ? 'page' : undefined} onClick={() => show(tool)}>
                <Icon name={TOOL_NAMES[tool].icon} />
                <span className="name">{TOOL_NAMES[tool].title}</span>
              </button>
            </li>
          ))}
        </ul>
      </div>
      <footer>
        <label className="transport">
          <span>Transport</span>
          <select data-testid="transport-select" value={desk.transport} onChange={(event) => desk.chooseTransport(event.currentTarget.value as TransportName)}>
            {Object.entries(TRANSPORTS).map(([name, text]) => <option key={name} value={name}>{text}</option>)}
          </select>
        </label>
        <div className="account">
          <Avatar user={desk.user} />
          <span className="name" data-testid="own-name">{desk.user}</span>
          {desk.tokens.admin && <span className="chip accent">admin</span>}
          <button type="button" className="quiet" onClick={signOut}>Sign out</button>
        </div>
      </footer>
    </nav>
  );
}

function Open({ conversation, current, onOpen }: { conversation: Conversation; current: boolean; onOpen: (id: string) => void }) {
  const { id, kind, name, unread, encrypted, timeline } = conversation;
  const last = timeline.entries.at(-1);
  return (
    <button type="button" className={`open${unread ? ' unread' : ''}`} data-testid={kind === 'direct' ? 'direct-item' : 'room-item'} data-unread={unread} data-name={name}
      aria-current={current ? 'page' : undefined} onClick={() => onOpen(id)}>
      {kind === 'direct' ? <Avatar user={name} /> : <span className="hash" aria-hidden="true">#</span>}
      <span className="name">{name}</span>
      {kind === 'direct' && last?.kind === 'message' && <span className="preview">{last.refused ? 'Not readable' : textOf(last.data)}</span>}
      {encrypted && <span className="small-icon" role="img" aria-label="encrypted"><Icon name="lock" /></span>}
      {unread > 0 && <span className="badge" role="img" aria-label={`${unread} unread`}>{unread > 99 ? '99+' : unread}</span>}
    </button>
  );
}
