/** What has come, and whoever waits for so much of it. */
export class Recorded<T> {
  readonly items: T[] = [];
  readonly #waiting: { enough: () => boolean; resolve: (items: T[]) => void }[] = [];

  push(item: T): void {
    this.items.push(item);
    for (const waiting of [...this.#waiting]) {
      if (!waiting.enough()) continue;
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.resolve(this.items);
    }
  }

  atLeast(count: number): Promise<T[]> {
    return this.until(() => this.items.length >= count);
  }

  find(matches: (item: T) => boolean): Promise<T> {
    return this.until(() => this.items.some(matches)).then((items) => items.find(matches)!);
  }

  until(enough: () => boolean): Promise<T[]> {
    if (enough()) return Promise.resolve(this.items);
    return new Promise((resolve) => this.#waiting.push({ enough, resolve }));
  }
}


/** Records an event's first argument. */
export function record<T>(source: { on(event: never, handler: never): () => void }, event: string): Recorded<T> {
  const recorded = new Recorded<T>();
  source.on(event as never, ((item: T) => recorded.push(item)) as never);
  return recorded;
}
