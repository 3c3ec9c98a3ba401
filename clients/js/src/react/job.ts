import { useEffect, useState } from 'react';
import type { JobError } from '../api.js';
import { useClient } from './context.js';

export interface JobView<Status = unknown, Result = unknown> {
  state: 'idle' | 'running' | 'complete' | 'error';
  /** The last one. */
  status: Status | undefined;
  result: Result | undefined;
  error: JobError | undefined;
}

const nothing = { status: undefined, result: undefined, error: undefined };

/** A job from its first status to its end. `undefined` for one that is not started yet. */
export function useJob<Status = unknown, Result = unknown>(id: string | undefined): JobView<Status, Result> & { cancel: () => Promise<boolean> } {
  const client = useClient();
  const [view, setView] = useState<JobView<Status, Result>>({ state: id === undefined ? 'idle' : 'running', ...nothing });
  useEffect(() => {
    setView({ state: id === undefined ? 'idle' : 'running', ...nothing });
    if (id === undefined) return;
    return client.jobs.watch<Status, Result>(id, {
      status: (status) => setView((before) => ({ ...before, status })),
      complete: (result) => setView((before) => ({ ...before, state: 'complete', result })),
      error: (error) => setView((before) => ({ ...before, state: 'error', error })),
    });
  }, [client, id]);
  return { ...view, cancel: () => (id === undefined ? Promise.resolve(false) : client.jobs.cancel(id)) };
}
