import { ApiError } from './errors.js';

// A token this close to its end is not worth connecting with.
const MARGIN = 5_000;
const TIMEOUT = 10_000;

/** Thrown where the server hands out no guest tokens: the user has to bring one. */
export class TokenRequired extends Error {}

/** The user's token: a guest token fetched by name, or one the user pasted, which only the user can replace. */
export class Tokens {
  #pasted;

  constructor(user, pasted = null) {
    this.user = user;
    this.#pasted = pasted;
    this.current = null;
    this.expiresAt = 0;
    if (pasted) this.#adopt(pasted);
  }

  get renewable() {
    return !this.#pasted;
  }

  /** `fresh` asks for a new one even if the present one looks good: a restarted server may no longer accept it. */
  async get(fresh = false) {
    const usable = this.current && this.expiresAt - Date.now() > MARGIN;
    if (this.#pasted) {
      if (!usable) throw new ApiError('unauthenticated', 'The token has expired. Sign in with a new one.');
    } else if (fresh || !usable) {
      await this.#fetch();
    }
    return this.current;
  }

  async #fetch() {
    const response = await fetch(`/dev/token?user=${encodeURIComponent(this.user)}`, {
      cache: 'no-store',
      signal: AbortSignal.timeout(TIMEOUT),
    });
    if (response.status === 404) throw new TokenRequired();
    if (!response.ok) throw await ApiError.fromResponse(response);
    const { token, expiresAt } = await response.json();
    this.current = token;
    this.expiresAt = Date.parse(expiresAt);
  }

  #adopt(token) {
    const { sub, exp } = readClaims(token);
    if (!sub) throw new ApiError('unauthenticated', 'That is not a token with a user in it (claim “sub”).');
    this.user = sub;
    this.current = token;
    this.expiresAt = exp ? exp * 1000 : Infinity;
  }
}

/** The claims are only read to know whose token it is; whether it is valid is the server's to say. */
function readClaims(token) {
  try {
    const payload = atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(payload, (c) => c.charCodeAt(0))));
  } catch {
    return {};
  }
}
