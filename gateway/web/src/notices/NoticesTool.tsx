import type { Desk } from '../chat/desk.ts';
import { useModel } from '../model.ts';
import { withSeconds } from '../ui/text.ts';
import { useSubmit } from '../ui/useSubmit.ts';

export function NoticesTool({ desk }: { desk: Desk }) {
  const { received } = useModel(desk.notices);
  return (
    <div className="tool scrolls">
      <div className="tool-inner">
        {desk.tokens.admin ? <Broadcast desk={desk} /> : <p className="note">Administrators can send to everybody who is connected. Sign in as administrator to try it.</p>}
        {received.length === 0 && <p className="none">Nothing has been announced since you came.</p>}
        {received.length > 0 && (
          <section className="box" aria-labelledby="received-title">
            <h2 id="received-title">Received</h2>
            <ul className="feed">
              {received.map(({ id, text, from, at }) => (
                <li key={id} data-testid="announcement">
                  <time dateTime={at.toISOString()}>{withSeconds(at)}</time>
                  <span className="value">{text}</span>
                  <span className="by">{from}</span>
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
    </div>
  );
}

function Broadcast({ desk }: { desk: Desk }) {
  const { error, submit } = useSubmit(async (fields, form) => {
    const text = String(fields.get('text')).trim();
    if (text) {
      await desk.notices.broadcast(text);
      form.reset();
    }
  });

  return (
    <form className="box" autoComplete="off" onSubmit={submit}>
      <h2>Tell everybody</h2>
      <p className="muted">Reaches every connected client, on every transport.</p>
      <div className="row">
        <label className="field"><span>Announcement</span><input name="text" data-testid="broadcast-input" maxLength={500} placeholder="Maintenance tonight at 22:00" /></label>
        <button className="primary" data-testid="broadcast-button">Send</button>
      </div>
      {error && <p className="error" role="alert">{error}</p>}
    </form>
  );
}
