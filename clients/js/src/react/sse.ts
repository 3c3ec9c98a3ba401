import { useEffect, useState } from 'react';

export interface SSEOptions {
  withCredentials?: boolean;
  /** Where there is none, or another is wanted. */
  eventSource?: typeof EventSource;
}

export interface SSEView<T> {
  /** `reconnecting` where the connection was lost, or could not be made, which EventSource tries again by itself. `complete` and `error` are for good. */
  status: 'connecting' | 'open' | 'reconnecting' | 'complete' | 'error';
  /** Of the last unnamed event, such as a job's status. */
  data: T | null;
  /** Of the event `complete`. */
  result: unknown;
  error: SSEError | null;
}

export interface SSEError {
  /** The server's own, or `connection_failed` where the stream was refused, or has ended for good. */
  code: string;
  message: string;
}

const initial = { status: 'connecting', data: null, result: undefined, error: null } as const;

/**
 * An event stream of a server, such as that of a job (`/jobs/{id}/events`): unnamed events are data, `complete` ends it with a result and `error` with an error.
 * It needs no provider. No url, no stream.
 */
export function useSSE<T = unknown>(url: string | null | undefined, { withCredentials = false, eventSource }: SSEOptions = {}): SSEView<T> {
  const [view, setView] = useState<SSEView<T>>(initial);
  useEffect(() => {
    setView(initial);
    if (url == null) return;
    const change = (changes: Partial<SSEView<T>>) => setView((before) => ({ ...before, ...changes }));
    const source = new (eventSource ?? EventSource)(url, { withCredentials });
    let done = false;
    const end = (changes: Partial<SSEView<T>>) => {
      done = true;
      source.close();
      change(changes);
    };
    source.addEventListener('open', () => change({ status: 'open' }));
    source.addEventListener('message', (event) => change({ data: parse(event.data) as T }));
    source.addEventListener('complete', (event) => end({ status: 'complete', result: parse((event as MessageEvent<string>).data) }));
    // The name stands for two things: what the server says, with data, and what became of the connection, without.
    source.addEventListener('error', (event) => {
      if (done) return;
      const said = (event as MessageEvent<string>).data;
      if (typeof said === 'string') end({ status: 'error', error: errorOf(parse(said)) });
      else if (source.readyState === source.CLOSED) end({ status: 'error', error: { code: 'connection_failed', message: 'The event stream was refused, or has ended.' } });
      else change({ status: 'reconnecting' });
    });
    return () => {
      done = true;
      source.close();
    };
  }, [url, withCredentials, eventSource]);
  return view;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function errorOf(said: unknown): SSEError {
  const { code, message } = (typeof said === 'object' && said !== null ? said : {}) as Partial<SSEError>;
  return { code: code ?? 'failed', message: message ?? (typeof said === 'string' ? said : JSON.stringify(said)) };
}
