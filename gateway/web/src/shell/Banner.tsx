import { useClient, useConnectionState } from 'orleans-realtime/react';
import { useEffect, useState } from 'react';

/** Says why nothing arrives at the moment, and what happens next. */
export function Banner() {
  const { state, retryAt, error } = useConnectionState();
  const client = useClient();
  const seconds = useCountdown(state === 'reconnecting' ? retryAt : undefined);

  if (state === 'failed') {
    return (
      <div className="banner failed" data-testid="banner">
        <span role="alert">{error?.message ?? 'The server cannot be reached.'}</span>
        <button type="button" data-testid="retry-button" onClick={() => client.reconnect()}>Retry</button>
      </div>
    );
  }
  if (state === 'reconnecting') {
    return (
      <div className="banner" data-testid="banner">
        <span>{seconds ? `Connection lost. Next attempt in ${seconds} s.` : 'Connection lost. Reconnecting…'}</span>
        <button type="button" data-testid="retry-button" onClick={() => client.reconnect()}>Retry now</button>
      </div>
    );
  }
  return null;
}

/** Seconds until then; 0 when it is past. */
export function useCountdown(until: number | undefined): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!until) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [until]);
  return until ? Math.max(0, Math.ceil((until - now) / 1000)) : 0;
}
