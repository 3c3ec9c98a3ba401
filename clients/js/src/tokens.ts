import type { TokenRequest } from './api.js';
import { RealtimeError } from './errors.js';

// A token that is this close to its end, in milliseconds, is not worth connecting with.
const MARGIN = 5_000;

interface Claims {
  sub?: string;
  exp?: number;
  join?: unknown;
}

/** The user's token: a fixed one, or those that the application fetches. */
export class Tokens {
  readonly #getToken: ((request: TokenRequest) => string | Promise<string>) | undefined;
  #current: string | undefined;
  #claims: Claims = {};
  #fetching: Promise<string> | undefined;

  constructor({ token, getToken }: { token?: string | undefined; getToken?: ((request: TokenRequest) => string | Promise<string>) | undefined }) {
    if (!token && !getToken) throw new TypeError('connect() needs a token or a getToken.');
    this.#getToken = getToken;
    if (token) this.#adopt(token);
  }

  get user(): string | undefined {
    return this.#claims.sub;
  }

  get current(): string | undefined {
    return this.#current;
  }

  get renewable(): boolean {
    return this.#getToken !== undefined;
  }

  /** Milliseconds since 1970. */
  get expiresAt(): number {
    return this.#claims.exp === undefined ? Infinity : this.#claims.exp * 1_000;
  }

  /** The rooms that the token allows, as text to compare. */
  get joins(): string {
    return JSON.stringify(this.#claims.join) ?? '';
  }

  /** The token at hand, or a new one where that has expired or a reason to refresh is given. */
  async get(refresh?: TokenRequest['reason']): Promise<string> {
    const remaining = this.#current === undefined ? 0 : this.expiresAt - Date.now();
    if (!this.#getToken) {
      if (remaining > 0) return this.#current!;
      throw new RealtimeError('unauthenticated', 'The token has expired, and there is no getToken to fetch another one.');
    }
    if (remaining > MARGIN && !refresh) return this.#current!;
    // Whoever needs one meanwhile gets the same.
    this.#fetching ??= this.#fetch(this.#getToken, refresh).finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #fetch(getToken: (request: TokenRequest) => string | Promise<string>, refresh: TokenRequest['reason'] | undefined): Promise<string> {
    const reason = refresh ?? (this.#current === undefined ? 'connect' : 'expired');
    const token = await getToken({ refresh: reason !== 'connect', reason });
    this.#adopt(token);
    return token;
  }

  #adopt(token: string): void {
    const claims = readClaims(token);
    if (!claims.sub) throw new RealtimeError('unauthenticated', 'That is not a token with a user in it (claim "sub").', { permanent: true });
    if (this.user !== undefined && this.user !== claims.sub) {
      throw new RealtimeError('not_allowed', `The new token is ${claims.sub}'s, this client is ${this.user}'s. Make a new client for another user.`);
    }
    this.#current = token;
    this.#claims = claims;
  }
}

/** Read only to know whose token it is and until when; whether it is valid is the server's to say. */
function readClaims(token: string): Claims {
  try {
    const payload = atob(token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/'));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(payload, (character) => character.charCodeAt(0)))) as Claims;
  } catch {
    return {};
  }
}
