import type { Desk } from './desk.ts';
import type { Conversation } from './conversation.ts';
import { label } from './conversation.ts';
import { Composer } from './Composer.tsx';
import { MessageList } from './MessageList.tsx';

export function ConversationView({ desk, conversation }: { desk: Desk; conversation: Conversation | null }) {
  if (!conversation) return <p className="empty muted">Join a room to begin.</p>;
  return (
    <>
      <MessageList conversations={desk.conversations} conversation={conversation} />
      <Composer label={label(conversation)} encrypted={conversation.encrypted} onSend={(text) => desk.conversations.send(conversation, text)} />
    </>
  );
}
