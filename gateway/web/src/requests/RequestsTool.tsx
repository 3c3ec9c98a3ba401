import type { FormEvent } from 'react';
import type { Desk } from '../chat/desk.ts';
import { useModel } from '../model.ts';
import { withSeconds } from '../ui/text.ts';
import type { Outcome } from './requests.ts';

const OUTCOMES: Record<Outcome, { text: string; tone: string }> = {
  waiting: { text: 'waiting…', tone: '' },
  answered: { text: 'answered', tone: 'good' },
  refused: { text: 'declined', tone: 'warn' },
  offline: { text: 'offline', tone: 'warn' },
  timeout: { text: 'no answer in time', tone: 'warn' },
  failed: { text: 'failed', tone: 'bad' },
};

export function RequestsTool({ desk }: { desk: Desk }) {
  const requests = useModel(desk.requests);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const user = String(fields.get('user')).trim();
    if (user) void requests.ask(user, String(fields.get('text')).trim() || 'Are you there?', Number(fields.get('seconds')) * 1000);
  };

  return (
    <div className="tool scrolls">
      <div className="tool-inner">
        <form className="box" autoComplete="off" onSubmit={submit}>
          <h2>Ask a user</h2>
          <p className="muted">All of the user’s clients are asked, and the first answer counts. Unlike a message, a question is not kept: it is answered now, or not at all.</p>
          <div className="row">
            <label className="field"><span>User</span><input name="user" data-testid="ask-user" required maxLength={128} autoCapitalize="none" spellCheck={false} placeholder="bob" /></label>
            <label className="field"><span>Question</span><input name="text" data-testid="ask-text" maxLength={500} placeholder="Are you there?" /></label>
            <label className="field narrow"><span>Wait (s)</span><input name="seconds" data-testid="ask-seconds" type="number" min="1" max="60" defaultValue="10" required /></label>
            <button className="primary" data-testid="ask-button">Ask</button>
          </div>
          {desk.transport === 'sse' && <p className="note warn">Over SSE you can ask, but not be asked: it is one-way.</p>}
        </form>
        {requests.questions.length === 0 && <p className="none">Questions and their answers will stand here.</p>}
        {requests.questions.length > 0 && (
          <section className="box" aria-labelledby="answers-title">
            <h2 id="answers-title">Questions</h2>
            <ul className="feed" aria-live="polite">
              {requests.questions.map(({ id, user, text, at, outcome, answer, milliseconds }) => (
                <li key={id} data-testid="question" data-outcome={outcome}>
                  <time dateTime={at.toISOString()}>{withSeconds(at)}</time>
                  <span><strong>{user}</strong> <span className="muted">{text}</span></span>
                  <span className={`chip ${OUTCOMES[outcome].tone}`}>{OUTCOMES[outcome].text}</span>
                  {answer && <span className="value">{answer} {milliseconds !== undefined && <span className="muted number">· {Math.round(milliseconds).toLocaleString()} ms</span>}</span>}
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
    </div>
  );
}
