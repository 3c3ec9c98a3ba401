import { type FormEvent, type KeyboardEvent, useEffect, useRef } from 'react';
import { Icon } from '../ui/icons.tsx';

export function Composer({ label, encrypted, onSend }: { label: string; encrypted: boolean; onSend: (text: string) => void }) {
  const input = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    // On a touch screen the keyboard would cover what is to be read.
    if (matchMedia('(hover: hover)').matches) input.current?.focus();
  }, []);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const field = input.current!;
    const text = field.value.trim();
    field.value = '';
    field.focus();
    if (text) onSend(text);
  };

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // Enter also ends the composition of a Japanese or Chinese word, which is not sending.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    event.currentTarget.form!.requestSubmit();
  };

  return (
    <form className={`composer${encrypted ? ' encrypted' : ''}`} autoComplete="off" onSubmit={submit}>
      {encrypted && <Icon name="lock" />}
      <textarea ref={input} data-testid="message-input" rows={1} enterKeyHint="send" aria-label={encrypted ? 'Encrypted message' : 'Message'} placeholder={`${encrypted ? 'Encrypted message' : 'Message'} ${label}`} onKeyDown={onKeyDown} />
      <button className="primary" data-testid="send-button" aria-label="Send"><Icon name="send" /></button>
    </form>
  );
}
