import { type FormEvent, useState } from 'react';
import { messageOf } from './text.ts';

/** A form's `onSubmit`, and why the last one failed. */
export function useSubmit(send: (fields: FormData, form: HTMLFormElement) => Promise<unknown>) {
  const [error, setError] = useState<string | null>(null);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    setError(null);
    try {
      await send(new FormData(form), form);
    } catch (problem) {
      setError(messageOf(problem));
    }
  };
  return { error, submit };
}
