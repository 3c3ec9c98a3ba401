import { DevTokens, PastedToken, TokenRefused, TokenRequired, type TokenSource } from './tokens.ts';

/** What a link may say: who, where, over which transport, and for how many seconds tokens last (`?user=ann&room=general&transport=sse&role=admin&expiresIn=60`). */
const parameters = new URLSearchParams(location.search);

/** What a tab remembers of its user until it is closed. */
interface Remembered {
  user: string;
  admin?: boolean;
  pasted?: string;
}

const TAB = 'session';
const LAST_USER = 'user';

export interface Credentials {
  user: string;
  admin: boolean;
  pasted?: string;
}

/** Rejects where the user has to do something about it; a server that cannot be reached is the connection's to wait for. */
export async function signIn({ user, admin, pasted }: Credentials): Promise<TokenSource> {
  const tokens = pasted ? new PastedToken(pasted) : new DevTokens(user, admin, parameters.get('expiresIn') ?? undefined);
  try {
    await tokens.get();
  } catch (error) {
    if (error instanceof TokenRequired || error instanceof TokenRefused) throw error;
  }
  localStorage.setItem(LAST_USER, tokens.user);
  sessionStorage.setItem(TAB, JSON.stringify({ user: tokens.user, admin, pasted } satisfies Remembered));
  return tokens;
}

export function signOut(): void {
  sessionStorage.removeItem(TAB);
  location.assign(location.pathname);
}

/** Whom to sign in without asking: who is signed in in this tab, or whom the link names. */
export function known(): Credentials | null {
  const remembered = JSON.parse(sessionStorage.getItem(TAB) ?? 'null') as Remembered | null;
  const user = parameters.get('user');
  if (remembered && (!user || user === remembered.user)) return { ...remembered, admin: remembered.admin ?? false };
  return user ? { user, admin: parameters.get('role') === 'admin' } : null;
}

export const lastUser = (): string => localStorage.getItem(LAST_USER) ?? '';

/** The rooms of the link. After a reload the tab knows better, for instance which rooms were left since. */
export function linkedRooms(): string[] {
  const [navigation] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
  const reloaded = navigation?.type === 'reload' && sessionStorage.getItem(TAB) !== null;
  return reloaded ? [] : parameters.getAll('room').filter(Boolean);
}

export const TRANSPORTS = { signalr: 'SignalR', sse: 'SSE + REST', socketio: 'Socket.IO' } as const;
export type TransportName = keyof typeof TRANSPORTS;

export function chosenTransport(): TransportName {
  const name = parameters.get('transport') ?? localStorage.getItem('transport');
  return name && name in TRANSPORTS ? (name as TransportName) : 'signalr';
}

export function rememberTransport(name: TransportName): void {
  localStorage.setItem('transport', name);
  // A choice in the address would win over this one at the next reload.
  const url = new URL(location.href);
  url.searchParams.delete('transport');
  history.replaceState(null, '', url);
}
