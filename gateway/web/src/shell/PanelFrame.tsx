import { type ReactNode, useEffect, useRef } from 'react';
import { Icon } from '../ui/icons.tsx';

interface Props {
  title: string;
  kind: 'members' | 'security' | 'inspector';
  /** It lies over the page, which is out of reach until it is closed. */
  drawer: boolean;
  onClose: () => void;
  children: ReactNode;
}

export function PanelFrame({ title, kind, drawer, onClose, children }: Props) {
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (drawer) close.current?.focus();
  }, [drawer]);

  return (
    <aside id="panel" className={`panel ${kind}`} aria-labelledby="panel-title" data-testid={`${kind}-panel`}>
      <div className="panel-head">
        <h2 id="panel-title">{title}</h2>
        <button type="button" ref={close} className="icon" aria-label={`Close ${title.toLowerCase()}`} onClick={onClose}><Icon name="close" /></button>
      </div>
      {children}
    </aside>
  );
}
