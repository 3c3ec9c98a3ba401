import { RealtimeError } from './errors.js';

/** Rejects with `timeout` where the promise takes longer than these milliseconds. What it stands for goes on. */
export function withTimeout<T>(promise: Promise<T>, milliseconds: number, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RealtimeError('timeout', `${what} took longer than ${milliseconds} ms.`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
