import { type FormEvent, useEffect, useRef, useState } from 'react';
import { messageOf } from '../ui/text.ts';
import { type Credentials, lastUser } from './session.ts';
import { TokenRequired } from './tokens.ts';

interface Props {
  /** Whom the link or the tab named, and why that has not been enough. */
  first?: { user: string; error: unknown };
  onSignIn: (credentials: Credentials) => Promise<void>;
}

export function SignIn({ first, onSignIn }: Props) {
  const [tokenRequired, setTokenRequired] = useState(first?.error instanceof TokenRequired);
  const [error, setError] = useState(first && !(first.error instanceof TokenRequired) ? messageOf(first.error) : null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  useEffect(() => {
    const field = tokenRequired ? 'token' : 'user';
    form.current?.querySelector<HTMLElement>(`[name=${field}]`)?.focus();
  }, [tokenRequired]);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    try {
      await onSignIn({
        user: String(fields.get('user')).trim(),
        admin: fields.get('admin') === 'on',
        pasted: String(fields.get('token') ?? '').trim() || undefined,
      });
    } catch (problem) {
      setBusy(false);
      // The first time this is no failure, but a question.
      if (problem instanceof TokenRequired && !tokenRequired) setTokenRequired(true);
      else setError(messageOf(problem));
    }
  };

  return (
    <main className="sign-in">
      <form className="card" autoComplete="off" ref={form} onSubmit={submit}>
        <img src="/icon.svg" alt="" width="44" height="44" />
        <div>
          <h1>OrleansRealtime</h1>
          <p className="muted">{tokenRequired ? 'Sign in with a token that was issued to you.' : 'Choose a name to join the conversation.'}</p>
        </div>
        <label hidden={tokenRequired}>
          <span>Name</span>
          <input name="user" data-testid="name-input" maxLength={128} required={!tokenRequired} autoCapitalize="none" spellCheck={false} placeholder="ann" defaultValue={first?.user ?? lastUser()} />
        </label>
        {tokenRequired ? (
          <label>
            <span>Access token</span>
            <textarea name="token" data-testid="token-input" rows={4} required spellCheck={false} placeholder="eyJ…" />
            <small className="muted">This server hands out no tokens by name. Paste a JWT; it stays in this tab.</small>
          </label>
        ) : (
          <label className="check">
            <input type="checkbox" name="admin" data-testid="admin-input" />
            <span>As administrator, who may broadcast</span>
          </label>
        )}
        {error && <p className="error" role="alert">{error}</p>}
        <button className="primary" data-testid="connect-button" disabled={busy}>{busy ? 'Connecting…' : 'Connect'}</button>
      </form>
    </main>
  );
}
