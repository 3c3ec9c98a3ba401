import { usePresence } from 'orleans-realtime/react';
import { useEffect } from 'react';
import type { UserKey } from 'orleans-realtime/encryption';
import type { Conversation } from '../chat/conversation.ts';
import type { Desk } from '../chat/desk.ts';
import { useModel } from '../model.ts';
import { PanelFrame } from '../shell/PanelFrame.tsx';
import { Avatar } from '../ui/Avatar.tsx';
import { Icon } from '../ui/icons.tsx';

/** Of a room: people whose keys are shown. */
const SHOWN = 20;

interface Props {
  desk: Desk;
  conversation: Conversation;
  drawer: boolean;
  onClose: () => void;
}

export function SecurityPanel(props: Props) {
  return props.conversation.kind === 'room' ? <RoomSecurity {...props} /> : <ConversationSecurity {...props} others={[props.conversation.name]} />;
}

function RoomSecurity(props: Props) {
  const { list } = usePresence(props.conversation.name);
  return <ConversationSecurity {...props} others={list.filter((user) => user !== props.desk.user).slice(0, SHOWN)} />;
}

function ConversationSecurity({ desk, conversation, others, drawer, onClose }: Props & { others: readonly string[] }) {
  const security = useModel(desk.security);
  const names = others.join('\n');

  useEffect(() => {
    void security.load(names ? names.split('\n') : []);
  }, [security, names]);

  return (
    <PanelFrame title="Encryption" kind="security" drawer={drawer} onClose={onClose}>
      <div className="content scrolls">
        <section className="section">
          <label className="switch">
            <span>Encrypt this conversation</span>
            <input type="checkbox" role="switch" data-testid="encrypt-switch" checked={conversation.encrypted} onChange={(event) => desk.setEncrypted(conversation, event.currentTarget.checked)} />
          </label>
          <p className="muted">
            {conversation.encrypted
              ? 'What you write leaves this browser encrypted. The server relays what it cannot read, and plain messages are refused.'
              : 'The server can read this conversation. Everybody in it turns encryption on for themselves.'}
          </p>
          <label className="switch">
            <span>Verified keys only</span>
            <input type="checkbox" role="switch" data-testid="verified-switch" checked={security.verifiedOnly} onChange={(event) => desk.setVerifiedOnly(event.currentTarget.checked)} />
          </label>
        </section>
        <section className="section" aria-labelledby="device-title">
          <h3 id="device-title">This device</h3>
          {security.device && (
            <div className="key" data-testid="own-key">
              <div className="who"><Avatar user={desk.user} /><span className="name">{desk.user} (you)</span></div>
              <Fingerprint text={security.device.fingerprint} />
            </div>
          )}
          {security.error && <p className="error" role="alert">{security.error}</p>}
        </section>
        <section className="section" aria-labelledby="keys-title">
          <h3 id="keys-title">Compare these</h3>
          <p className="muted">Read them to each other on the phone, say. If both see the same, mark the key as verified.</p>
          {others.length === 0 && <p className="muted">Nobody else is here.</p>}
          {others.map((user) => {
            const keys = security.keysOf(user);
            if (keys?.length === 0) return <p key={user} className="note"><strong>{user}</strong> has no key yet, and cannot be written to in private.</p>;
            return keys?.map((key) => <Key key={key.key} user={user} of={key} onVerify={(verified) => void security.verify(user, key.key, verified)} />);
          })}
        </section>
      </div>
    </PanelFrame>
  );
}

function Key({ user, of: { fingerprint, verified, current }, onVerify }: { user: string; of: UserKey; onVerify: (verified: boolean) => void }) {
  return (
    <div className="key" data-testid="user-key" data-user={user} data-verified={verified}>
      <div className="who">
        <Avatar user={user} /><span className="name">{user}</span>
        {verified ? <span className="chip good"><Icon name="shield" />verified</span> : <span className="chip">{current ? 'not verified' : 'former device'}</span>}
      </div>
      <Fingerprint text={fingerprint} />
      <button type="button" className="secondary" data-testid="verify-button" onClick={() => onVerify(!verified)}>{verified ? 'Remove verification' : 'Mark as verified'}</button>
    </div>
  );
}

function Fingerprint({ text }: { text: string }) {
  return <code className="fingerprint" data-testid="fingerprint">{text.split(' ').map((group, index) => <span key={index}>{group} </span>)}</code>;
}
