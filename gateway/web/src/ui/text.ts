/** Other clients send what they like: a string, {text}, or any JSON. */
export function textOf(data: unknown): string {
  if (typeof data === 'string') return data;
  if (data && typeof data === 'object' && 'text' in data && typeof data.text === 'string') return data.text;
  return JSON.stringify(data ?? null);
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const clockWithSeconds = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayAndClock = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

export const inFull = (at: Date): string => full.format(at);

export const withSeconds = (at: Date): string => clockWithSeconds.format(at);

/** The time of day, and the day where it is not today. */
export function shortTime(at: Date): string {
  return (at.toDateString() === new Date().toDateString() ? clock : dayAndClock).format(at);
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
