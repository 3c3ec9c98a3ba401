import { RealtimeError, type Client, type JobStatus } from 'orleans-realtime';
import type { Memory } from '../chat/memory.ts';
import { Model } from '../model.ts';
import type { TokenSource } from '../session/tokens.ts';
import { JobStream } from './jobStream.ts';

const JOB = 'deploy';
const KEPT = 20;

/** Streams at a time. With HTTP/1.1 a browser has six connections to a server, and the rest of the page needs some of them. */
const STREAMS = 3;

/** What the job `deploy` reports. */
interface Progress {
  status?: string;
  progress?: number;
}

export interface Deployment {
  id: string;
  /** The path of its event stream. */
  events: string;
  feature: string;
  /** `gone`: the server knows no such job any more. */
  status: JobStatus | 'gone';
  /** Whether its stream is open; a job whose connection is lost goes on. */
  live: boolean;
  /** Per cent. */
  progress: number;
  /** What it has been doing, in order. */
  steps: readonly string[];
  /** Why it has ended, where it has not completed. */
  message?: string;
}

export interface NewDeployment {
  feature: string;
  fail: boolean;
  cancelWhenUnwatched: boolean;
}

/** The deployments that this tab has started, followed by their event streams whatever transport the rest of the page uses. */
export class Deployments extends Model {
  list: readonly Deployment[] = [];
  #client!: Client;
  #streams = new Map<string, JobStream<Progress>>();

  constructor(private readonly memory: Memory, private readonly tokens: TokenSource) {
    super();
    this.list = memory.state.jobs.map(({ id, events, feature }) => fresh(id, events, feature));
  }

  attach(client: Client): void {
    this.#client = client;
    this.#follow();
  }

  async start({ feature, fail, cancelWhenUnwatched }: NewDeployment): Promise<void> {
    const { id, events } = await this.#client.jobs.start(JOB, { featureId: feature, fail }, { cancelWhenUnwatched });
    this.list = [fresh(id, events, feature), ...this.list].slice(0, KEPT);
    this.memory.update({ jobs: this.list.map(({ id, events, feature }) => ({ id, events, feature })) });
    this.#follow();
    this.flush();
  }

  async cancel(id: string): Promise<void> {
    await this.#client.jobs.cancel(id);
  }

  /** A stream begins with the job's first status, so one that had to wait for its turn misses nothing. */
  #follow(): void {
    for (const { id, events, status } of this.list) {
      if (status !== 'running' || this.#streams.has(id) || this.#streams.size >= STREAMS) continue;
      this.#streams.set(id, this.#stream(id, events));
    }
  }

  #stream(id: string, path: string): JobStream<Progress> {
    const access = {
      path,
      token: (refresh: boolean) => this.tokens.get(refresh),
      exists: () => this.#client.jobs.get(id).then(() => true, (error: unknown) => !(error instanceof RealtimeError && error.code === 'unknown_job')),
    };
    return new JobStream<Progress>(access, {
      live: (live) => this.#change(id, { live }),
      status: ({ status, progress }) => {
        const steps = this.list.find((job) => job.id === id)?.steps ?? [];
        this.#change(id, { progress: progress ?? 0, steps: status && !steps.includes(status) ? [...steps, status] : steps });
      },
      complete: () => this.#ended(id, { status: 'completed', progress: 100 }),
      error: ({ code, message }) => this.#ended(id, { status: code === 'cancelled' ? 'cancelled' : code === 'unknown_job' ? 'gone' : 'failed', message }),
    });
  }

  #ended(id: string, change: Partial<Deployment>): void {
    this.#streams.delete(id);
    this.#change(id, change);
    this.#follow();
  }

  #change(id: string, change: Partial<Deployment>): void {
    this.list = this.list.map((job) => (job.id === id ? { ...job, ...change } : job));
    this.changed();
  }
}

function fresh(id: string, events: string, feature: string): Deployment {
  return { id, events, feature, status: 'running', live: true, progress: 0, steps: [] };
}
