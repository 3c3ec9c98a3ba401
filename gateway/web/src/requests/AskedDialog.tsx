import { type FormEvent, useEffect, useRef } from 'react';
import { useModel } from '../model.ts';
import { Avatar } from '../ui/Avatar.tsx';
import type { Asked, Requests } from './requests.ts';

/** The oldest question that waits for an answer. It does not take the keyboard away from what is being written. */
export function AskedDialog({ requests }: { requests: Requests }) {
  const [first] = useModel(requests).asked;
  return first ? <Question key={first.id} asked={first} /> : null;
}

function Question({ asked: { from, text, answer, refuse } }: { asked: Asked }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current!.show(); // Moves the focus, as dialogs do, but this one has not been asked for.
    if (before instanceof HTMLElement && before !== document.body) before.focus();
  }, []);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    answer(String(new FormData(event.currentTarget).get('answer')).trim() || 'Yes');
  };

  return (
    <dialog ref={dialog} className="ask" aria-labelledby="ask-title" data-testid="asked" onKeyDown={(event) => {
      if (event.key !== 'Escape') return;
      event.preventDefault();
      refuse();
    }}>
      <form autoComplete="off" onSubmit={submit}>
        <h2 id="ask-title" role="alert"><Avatar user={from ?? 'server'} /><span>{from ?? 'The server'} asks: {text}</span></h2>
        <label className="field"><span>Answer</span><input name="answer" data-testid="answer-input" maxLength={500} placeholder="Yes" /></label>
        <div className="row">
          <button type="button" className="secondary" data-testid="refuse-button" onClick={refuse}>Decline</button>
          <button className="primary" data-testid="answer-button">Answer</button>
        </div>
      </form>
    </dialog>
  );
}
