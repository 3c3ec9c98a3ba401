import type { JobError } from 'orleans-realtime';

/** Milliseconds until a stream that the browser has given up is opened again. */
const RETRY = 2_000;

export interface JobStreamEvents<Status> {
  status(data: Status): void;
  complete(): void;
  /** The job has failed or was cancelled, or there is no such job. */
  error(error: JobError): void;
  /** The connection was lost, or is back. The job does not mind. */
  live(live: boolean): void;
}

export interface JobAccess {
  /** The path of the job's events. */
  path: string;
  token(refresh: boolean): Promise<string>;
  /** Whether the server still knows the job. */
  exists(): Promise<boolean>;
}

/**
 * Follows a job by its event stream, from its first status on. EventSource calls both `error`: what the server sends as the event `error`, which has data,
 * and a lost connection, which has none.
 */
export class JobStream<Status> {
  #source: EventSource | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #lastEventId = '';
  #ended = false;

  constructor(private readonly access: JobAccess, private readonly events: JobStreamEvents<Status>) {
    void this.#open(false);
  }

  stop(): void {
    this.#ended = true;
    this.#source?.close();
    if (this.#timer) clearTimeout(this.#timer);
  }

  async #open(refresh: boolean): Promise<void> {
    let token: string;
    try {
      token = await this.access.token(refresh);
    } catch {
      return this.#later();
    }
    if (this.#ended) return;
    const query = new URLSearchParams({ access_token: token });
    if (this.#lastEventId) query.set('lastEventId', this.#lastEventId);
    const source = new EventSource(`${this.access.path}?${query}`);
    this.#source = source;
    source.onopen = () => this.events.live(true);
    source.onmessage = ({ data, lastEventId }: MessageEvent<string>) => {
      this.#lastEventId = lastEventId;
      this.events.status(JSON.parse(data) as Status);
    };
    source.addEventListener('complete', () => {
      this.stop();
      this.events.complete();
    });
    source.addEventListener('error', (event: Event | MessageEvent<string>) => {
      if (event instanceof MessageEvent) {
        this.stop();
        this.events.error(JSON.parse(event.data as string) as JobError);
        return;
      }
      this.events.live(false);
      // The browser tries again by itself, except where the server has answered something else than a stream: the token may be too old, or the job gone.
      if (source.readyState === EventSource.CLOSED) void this.#refused();
    });
  }

  async #refused(): Promise<void> {
    const exists = await this.access.exists().catch(() => true);
    if (this.#ended) return;
    if (exists) return this.#later();
    this.stop();
    this.events.error({ code: 'unknown_job', message: 'The server does not know this deployment any more.' });
  }

  #later(): void {
    if (!this.#ended) this.#timer = setTimeout(() => void this.#open(true), RETRY);
  }
}
