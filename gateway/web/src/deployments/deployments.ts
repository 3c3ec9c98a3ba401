import { RealtimeError, type Client, type JobStatus } from 'orleans-realtime';
import type { SSEView } from 'orleans-realtime/react';
import type { Memory } from '../chat/memory.ts';
import { Model } from '../model.ts';

const JOB = 'deploy';
const KEPT = 20;

/** Event streams at a time. With HTTP/1.1 a browser has six connections to a server, and the rest of the page needs some of them. */
const STREAMS = 3;

/** What the job `deploy` reports. */
export interface Progress {
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
  /** Its stream has been interrupted. The job does not mind, and goes on. */
  lost: boolean;
  /** Per cent. */
  progress: number;
  /** What it is doing, or why it has ended. */
  message?: string;
}

export interface NewDeployment {
  feature: string;
  fail: boolean;
  cancelWhenUnwatched: boolean;
}

/** The deployments that this tab has started. */
export class Deployments extends Model {
  list: readonly Deployment[] = [];
  #client!: Client;

  constructor(private readonly memory: Memory) {
    super();
    this.list = memory.state.jobs.map(({ id, events, feature }) => fresh(id, events, feature));
  }

  attach(client: Client): void {
    this.#client = client;
  }

  /** Those whose streams are to be open. A stream begins with the job's first status, so one that has to wait for its turn misses nothing. */
  get followed(): readonly Deployment[] {
    return this.list.filter(({ status }) => status === 'running').slice(-STREAMS);
  }

  async start({ feature, fail, cancelWhenUnwatched }: NewDeployment): Promise<void> {
    const { id, events } = await this.#client.jobs.start(JOB, { featureId: feature, fail }, { cancelWhenUnwatched });
    this.list = [fresh(id, events, feature), ...this.list].slice(0, KEPT);
    this.memory.update({ jobs: this.list.map(({ id, events, feature }) => ({ id, events, feature })) });
    this.flush();
  }

  async cancel(id: string): Promise<void> {
    await this.#client.jobs.cancel(id);
  }

  /** What the stream of a deployment says: of the job, or of the connection. */
  told(id: string, { status, data, error }: SSEView<Progress>): void {
    const progress = data ? { progress: data.progress ?? 0, message: data.status } : {};
    if (status === 'complete') this.#change(id, { status: 'completed', progress: 100, message: data?.status, lost: false });
    else if (status !== 'error') this.#change(id, { ...progress, lost: status === 'reconnecting' });
    else if (isRefused(error)) this.#change(id, { ...progress, lost: true });
    else this.#change(id, { ...progress, status: error?.code === 'cancelled' ? 'cancelled' : 'failed', message: error?.message, lost: false });
  }

  /** The stream was refused: the token may be too old, or the job be gone. Only then is nothing left to be followed. */
  async ask(id: string): Promise<void> {
    try {
      await this.#client.jobs.get(id);
    } catch (error) {
      if (error instanceof RealtimeError && error.code === 'unknown_job') this.#change(id, { status: 'gone', lost: false, message: 'The server does not know this deployment any more.' });
    }
  }

  #change(id: string, change: Partial<Deployment>): void {
    this.list = this.list.map((job) => (job.id === id ? { ...job, ...change } : job));
    this.changed();
  }
}

/** Of the connection, not of the job. */
export const isRefused = (error: SSEView<Progress>['error']): boolean => error?.code === 'connection_failed';

function fresh(id: string, events: string, feature: string): Deployment {
  return { id, events, feature, status: 'running', lost: false, progress: 0 };
}
