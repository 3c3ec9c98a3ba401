import { useEffect, useState } from 'react';
import { useSSE } from 'orleans-realtime/react';
import type { Desk } from '../chat/desk.ts';
import { useModel } from '../model.ts';
import { type Deployment, isRefused, type Progress } from './deployments.ts';

/** Milliseconds until a stream that was refused is opened again. */
const RETRY = 2_000;

/** Follows the running deployments by server-sent events, whatever is on the screen and whatever transport the rest uses. */
export function Followers({ desk }: { desk: Desk }) {
  return useModel(desk.deployments).followed.map((deployment) => <Follower key={deployment.id} desk={desk} deployment={deployment} />);
}

function Follower({ desk: { deployments, tokens }, deployment: { id, events } }: { desk: Desk; deployment: Deployment }) {
  const [attempt, setAttempt] = useState(0);
  const [token, setToken] = useState<string | null>(null);
  const view = useSSE<Progress>(token && `${events}?${new URLSearchParams({ access_token: token })}`);
  const refused = isRefused(view.error);

  useEffect(() => deployments.told(id, view), [deployments, id, view]);

  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout>;
    const again = () => setAttempt((before) => before + 1);
    tokens.get(attempt > 0).then(
      (got) => !over && setToken(got),
      () => !over && (timer = setTimeout(again, RETRY)),
    );
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [tokens, attempt]);

  useEffect(() => {
    if (!refused) return;
    const timer = setTimeout(() => {
      void deployments.ask(id);
      setToken(null);
      setAttempt((before) => before + 1);
    }, RETRY);
    return () => clearTimeout(timer);
  }, [deployments, id, refused]);

  return null;
}
