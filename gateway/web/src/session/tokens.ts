// A token this close to its end is not worth connecting with.
const MARGIN = 5_000;
const TIMEOUT = 10_000;

/** The server hands out no tokens by name: the user has to bring one. */
export class TokenRequired extends Error {}

/** What was brought, or asked for, is no good. */
export class TokenRefused extends Error {}

/** Where the tokens come from: by name from a development server, or one that the user pasted and only the user can replace. */
export interface TokenSource {
  readonly user: string;
  readonly admin: boolean;
  /** When the present token ends. */
  readonly expiresAt: number;
  /** `fresh` asks for a new one even if the present one looks good: a restarted server may no longer accept it. */
  get(fresh?: boolean): Promise<string>;
}

export class DevTokens implements TokenSource {
  expiresAt = 0;
  #token = '';

  /** @param lifetime in seconds; the server chooses where it is not given. */
  constructor(readonly user: string, readonly admin: boolean, private readonly lifetime?: string) {}

  async get(fresh = false): Promise<string> {
    if (fresh || this.expiresAt - Date.now() < MARGIN) await this.#fetch();
    return this.#token;
  }

  async #fetch(): Promise<void> {
    const query = new URLSearchParams({ user: this.user });
    if (this.admin) query.set('role', 'admin');
    if (this.lifetime) query.set('expiresIn', this.lifetime);
    const response = await fetch(`/dev/token?${query}`, { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT) });
    if (response.status === 404) throw new TokenRequired('The server hands out no tokens by name. Sign in with one that was issued to you.');
    if (response.status === 400) {
      const problem = (await response.json().catch(() => ({}))) as { detail?: string };
      throw new TokenRefused(problem.detail ?? 'The server does not accept this name.');
    }
    if (!response.ok) throw new Error(`The server answered ${response.status}.`);
    const { token, expiresAt } = (await response.json()) as { token: string; expiresAt: string };
    this.#token = token;
    this.expiresAt = Date.parse(expiresAt);
  }
}

export class PastedToken implements TokenSource {
  readonly user: string;
  readonly admin: boolean;
  readonly expiresAt: number;

  constructor(readonly token: string) {
    const { sub, exp, role, roles } = readClaims(token);
    if (typeof sub !== 'string' || !sub) throw new TokenRefused('That is not a token with a user in it (claim “sub”).');
    this.user = sub;
    this.admin = [role, roles].flat().includes('admin');
    this.expiresAt = typeof exp === 'number' ? exp * 1000 : Infinity;
  }

  get(): Promise<string> {
    return this.expiresAt > Date.now() ? Promise.resolve(this.token) : Promise.reject(new TokenRequired('The token has expired. Sign in with a new one.'));
  }
}

/** The claims are only read to know whose token it is; whether it is valid is the server's to say. */
function readClaims(token: string): Record<string, unknown> {
  try {
    const payload = atob(token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/'));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(payload, (character) => character.charCodeAt(0)))) as Record<string, unknown>;
  } catch {
    return {};
  }
}
