// These do not heal by trying again. Everything else - network failures, `overloaded`, `unavailable` - may.
const PERMANENT = new Set([
  'invalid_argument', 'invalid_cursor', 'rejected', 'not_allowed', 'not_a_member', 'unknown_event', 'payload_too_large', 'too_many_rooms',
]);

/** An error the server reported, with its code of docs/api.md. */
export class ApiError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }

  /** From RFC 9457 problem details; a proxy's answer may be anything else. */
  static async fromResponse(response) {
    const problem = await response.json().catch(() => ({}));
    const code = problem.code ?? (response.status === 401 ? 'unauthenticated' : `http_${response.status}`);
    return new ApiError(code, problem.detail ?? problem.title ?? `The server answered ${response.status}.`);
  }

  /** SignalR puts its own sentence before the hub's `code: message`. */
  static fromHub(error) {
    const match = /(?:HubException: )([a-z_]+): (.*)/s.exec(error.message);
    return match ? new ApiError(match[1], match[2]) : error;
  }
}

export const isPermanent = (error) => PERMANENT.has(error.code);
