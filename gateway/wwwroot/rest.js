import { ApiError } from './errors.js';

const TIMEOUT = 15_000;

/** The REST calls the page needs; `token` is asked at every call, since tokens are renewed. */
export class Rest {
  #token;

  constructor(token) {
    this.#token = token;
  }

  history(room, { after, before, limit = 50 }) {
    return this.#call('GET', ...roomPath(room, 'messages', { after, before, limit }));
  }

  presence(room) {
    return this.#call('GET', ...roomPath(room, 'presence'));
  }

  send(room, data, messageId) {
    return this.#call('POST', ...roomPath(room, 'messages'), { event: 'message', data, messageId });
  }

  sendToUser(user, data, messageId) {
    return this.#call('POST', userPath(user), {}, { event: 'message', data, messageId });
  }

  inbox(user) {
    return this.#call('GET', userPath(user), { limit: 50 });
  }

  async #call(method, path, query = {}, body = undefined) {
    const url = new URL(path, location.origin);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    const response = await fetch(url, {
      method,
      headers: {
        Authorization: `Bearer ${this.#token()}`,
        ...(body && { 'Content-Type': 'application/json' }),
      },
      body: body && JSON.stringify(body),
      cache: 'no-store',
      signal: AbortSignal.timeout(TIMEOUT),
    });
    if (!response.ok) throw await ApiError.fromResponse(response);
    return response.json();
  }
}

const userPath = (user) => `/api/users/${encodeURIComponent(user)}/messages`;

/** `/admin:alerts` is the room `alerts` of the namespace `/admin`. */
function roomPath(room, leaf, query = {}) {
  const [, namespace, name] = /^(\/[^:]*):(.*)$/s.exec(room) ?? [null, undefined, room];
  return [`/api/rooms/${encodeURIComponent(name)}/${leaf}`, { ...query, namespace }];
}
