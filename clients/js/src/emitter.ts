import type { Unsubscribe } from './api.js';

/** Handlers of events. One that throws is reported, and does not keep the others from being called. */
export class Emitter<Events> {
  readonly #handlers = new Map<keyof Events, Set<(...args: never[]) => void>>();
  readonly #report: (error: unknown) => void;

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  on<E extends keyof Events>(event: E, handler: Events[E]): Unsubscribe {
    // Each subscription is one of its own, also where two share a function.
    const own = (...args: never[]) => (handler as (...args: never[]) => void)(...args);
    let handlers = this.#handlers.get(event);
    if (!handlers) this.#handlers.set(event, (handlers = new Set()));
    handlers.add(own);
    return () => handlers.delete(own);
  }

  has(event: keyof Events): boolean {
    return (this.#handlers.get(event)?.size ?? 0) > 0;
  }

  emit<E extends keyof Events>(event: E, ...args: Events[E] extends (...args: infer A) => void ? A : never): void {
    for (const handler of [...(this.#handlers.get(event) ?? [])]) {
      try {
        handler(...(args as unknown[] as never[]));
      } catch (error) {
        this.#report(error);
      }
    }
  }

  clear(): void {
    this.#handlers.clear();
  }
}
