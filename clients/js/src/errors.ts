// What trying again does not heal. Everything else - network failures, `overloaded`, `unavailable` - it may.
const PERMANENT = new Set([
  'invalid_argument', 'invalid_cursor', 'rejected', 'not_allowed', 'not_a_member', 'unknown_event', 'unknown_job', 'payload_too_large', 'too_many_rooms', 'refused',
  'outbox_full', 'discarded', 'closed',
]);

// Of these statuses of HTTP that bring no code of ours, another try may help.
const TRANSIENT_STATUS = new Set([401, 408, 409, 425, 429]);

/**
 * What the server reported, with its code of docs/api.md, or the library itself: `timeout`, `not_connected`, `connection_lost` (nobody knows whether it happened),
 * `outbox_full`, `discarded`, `closed`.
 */
export class RealtimeError extends Error {
  readonly code: string;
  /** Of HTTP, where it came by that. */
  readonly status?: number;
  /** What an application has to say about its refusal. */
  readonly data?: unknown;
  /** Whether the same would fail again. */
  readonly permanent: boolean;

  constructor(code: string, message: string, details: { status?: number; data?: unknown; permanent?: boolean; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'RealtimeError';
    this.code = code;
    if (details.status !== undefined) this.status = details.status;
    if (details.data !== undefined) this.data = details.data;
    this.permanent = details.permanent ?? PERMANENT.has(code);
  }
}

/** Thrown by a handler of `onRequest`, it refuses with a sentence that the asking user gets to read. */
export class RefusedError extends RealtimeError {
  constructor(message: string) {
    super('refused', message);
    this.name = 'RefusedError';
  }
}

/** From RFC 9457 problem details; a proxy's answer may be anything else. */
export async function errorOfResponse(response: Response): Promise<RealtimeError> {
  const { status } = response;
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string; title?: string; data?: unknown };
  const details = { status, ...(problem.data !== undefined && { data: problem.data }) };
  const message = problem.detail ?? problem.title ?? `The server answered ${status}.`;
  if (problem.code) return new RealtimeError(problem.code, message, details);
  if (status === 401) return new RealtimeError('unauthenticated', message, details);
  return new RealtimeError(`http_${status}`, message, { ...details, permanent: status >= 400 && status < 500 && !TRANSIENT_STATUS.has(status) });
}

/** SignalR puts its own sentence before the hub's `code: message`. */
export function errorOfHub(error: unknown): Error {
  const match = /HubException: ([a-z_]+): (.*)/s.exec(error instanceof Error ? error.message : '');
  if (!match) return error instanceof Error ? error : new Error(String(error));
  const [, code, text] = match as unknown as [string, string, string];
  return new RealtimeError(code, text);
}

export const isPermanent = (error: unknown): boolean => error instanceof RealtimeError && error.permanent;

export const isUnauthenticated = (error: unknown): boolean => error instanceof RealtimeError && error.code === 'unauthenticated';
