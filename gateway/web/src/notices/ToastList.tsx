import { useModel } from '../model.ts';
import { Icon } from '../ui/icons.tsx';
import type { Toasts } from './toasts.ts';

export function ToastList({ toasts }: { toasts: Toasts }) {
  const { shown } = useModel(toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(({ id, kind, title, text }) => (
        <div key={id} className={`toast ${kind}`} data-testid={kind === 'notification' ? 'notification' : 'notice'}>
          <p>{title && <strong>{title} </strong>}{text}</p>
          <button type="button" className="icon" aria-label="Dismiss" onClick={() => toasts.dismiss(id)}><Icon name="close" /></button>
        </div>
      ))}
    </div>
  );
}
