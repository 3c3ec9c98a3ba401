import type { RequestHandler, Unsubscribe } from './api.js';
import { RealtimeError } from './errors.js';
import type { IncomingRequest } from './transports/transport.js';

/** Answers what the server and other users ask this client. */
export class Requests {
  readonly #handlers = new Map<string, RequestHandler>();
  readonly #report: (error: unknown) => void;

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  on(event: string, handler: RequestHandler): Unsubscribe {
    if (this.#handlers.has(event)) throw new RealtimeError('invalid_argument', `There is a handler of '${event}' already, and only one can answer.`);
    this.#handlers.set(event, handler);
    return () => {
      if (this.#handlers.get(event) === handler) this.#handlers.delete(event);
    };
  }

  async receive({ event, data, from, answer, refuse }: IncomingRequest): Promise<void> {
    const handler = this.#handlers.get(event);
    try {
      if (!handler) return void (await refuse(`Nobody here answers '${event}'.`));
      let result: unknown;
      try {
        result = await handler(data, { event, ...(from !== undefined && { from }) });
      } catch (error) {
        const deliberate = error instanceof RealtimeError && error.code === 'refused';
        if (!deliberate) this.#report(error);
        return void (await refuse(deliberate ? error.message : 'Something went wrong on the client.'));
      }
      await answer(result);
    } catch (error) {
      // The connection is lost, so nobody waits for the answer any more.
      if (!(error instanceof RealtimeError) || error.permanent) this.#report(error);
    }
  }
}
