import type { Job, JobError, Jobs, JobWatcher, Room, StartedJob, Unsubscribe } from './api.js';
import { Deferred } from './deferred.js';
import { isPermanent, RealtimeError } from './errors.js';
import type { Message } from './messages.js';
import type { JobOptions, Operations } from './transports/transport.js';

// What the server gives at most in one page. Of a job with more statuses the first ones are not told.
const PAGE = 500;
// Milliseconds until what could not be read for now is read again.
const RETRY = 1_000;

export interface JobHooks {
  room(name: string): Room;
  operations(): Promise<Operations>;
}

export class JobClient implements Jobs {
  readonly #hooks: JobHooks;

  constructor(hooks: JobHooks) {
    this.#hooks = hooks;
  }

  async start(name: string, data?: unknown, options: JobOptions = {}): Promise<StartedJob> {
    return (await this.#hooks.operations()).startJob(name, data, options);
  }

  async get<Result>(id: string): Promise<Job<Result>> {
    return (await (await this.#hooks.operations()).job(id)) as Job<Result>;
  }

  async cancel(id: string): Promise<boolean> {
    return (await this.#hooks.operations()).cancelJob(id);
  }

  async result<Result>(id: string): Promise<Result> {
    const outcome = new Deferred<Result>();
    this.watch<unknown, Result>(id, {
      complete: outcome.resolve,
      error: ({ code, message }) => outcome.reject(new RealtimeError(code, message, { permanent: true })),
    });
    return outcome.promise;
  }

  watch<Status, Result>(id: string, watcher: JobWatcher<Status, Result>): Unsubscribe {
    const watch = new Watch(this.#hooks.room(`job:${id}`), watcher as JobWatcher);
    return () => watch.stop();
  }
}

/** Follows a job in its room: what was said before, then what comes. */
class Watch {
  readonly #room: Room;
  readonly #watcher: JobWatcher;
  readonly #stops: Unsubscribe[];
  /** What has come before what had been said was read; undefined once that is told. */
  #held: Message[] | undefined = [];
  #told = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(room: Room, watcher: JobWatcher) {
    this.#room = room;
    this.#watcher = watcher;
    this.#stops = [
      room.on('message', (message) => {
        if (this.#held) this.#held.push(message);
        else this.#tell(message);
      }),
      room.on('error', (error) => this.#fail(error)),
      room.on('state', (state) => {
        // This watch keeps it joined for as long as there is a client.
        if (state === 'left') this.#fail(new RealtimeError('closed', 'The client is closed.'));
      }),
    ];
    room.join().then(() => this.#begin(), (error: unknown) => this.#fail(error));
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stops) stop();
    this.#room.leave();
  }

  async #begin(): Promise<void> {
    if (this.#stopped) return;
    try {
      const { messages } = await this.#room.history({ limit: PAGE });
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const message of [...messages, ...held]) this.#tell(message);
    } catch (error) {
      if (isPermanent(error)) this.#fail(error);
      else if (!this.#stopped) this.#timer = setTimeout(() => void this.#begin(), RETRY);
    }
  }

  #tell({ event, data, offset = 0 }: Message): void {
    if (this.#stopped || offset <= this.#told) return;
    this.#told = offset;
    if (event === 'status') return this.#watcher.status?.(data);
    if (event !== 'complete' && event !== 'error') return;
    this.stop();
    if (event === 'complete') this.#watcher.complete?.(data);
    else this.#watcher.error?.(data as JobError);
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    const { code, message } = error instanceof RealtimeError ? error : new RealtimeError('failed', String(error));
    this.#watcher.error?.({ code, message });
  }
}
