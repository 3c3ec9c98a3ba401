import type { Client, JobStatus } from 'orleans-realtime';
import type { Memory } from '../chat/memory.ts';
import { Model } from '../model.ts';

const JOB = 'deploy';
const KEPT = 20;

/** What the job `deploy` reports. */
interface Progress {
  status?: string;
  progress?: number;
}

export interface Deployment {
  id: string;
  feature: string;
  /** `gone`: the server knows no such job any more. */
  status: JobStatus | 'gone';
  /** Per cent. */
  progress: number;
  /** What it has been doing, in order. */
  steps: readonly string[];
  /** Why it has ended, where it has not completed. */
  message?: string;
  startedAt?: Date;
}

export interface NewDeployment {
  feature: string;
  fail: boolean;
  cancelWhenUnwatched: boolean;
}

/** The deployments that this tab has started, followed by their event streams. */
export class Deployments extends Model {
  list: readonly Deployment[] = [];
  #client!: Client;
  #watches = new Map<string, () => void>();

  constructor(private readonly memory: Memory) {
    super();
    this.list = memory.state.jobs.map(({ id, feature }) => fresh(id, feature));
  }

  attach(client: Client): void {
    for (const stop of this.#watches.values()) stop();
    this.#watches.clear();
    this.#client = client;
    for (const { id, status } of this.list) {
      if (status === 'running') void client.connected().then(() => this.#watch(id), () => {});
    }
  }

  async start({ feature, fail, cancelWhenUnwatched }: NewDeployment): Promise<void> {
    const job = await this.#client.jobs.start(JOB, { featureId: feature, fail }, { cancelWhenUnwatched, idempotencyKey: crypto.randomUUID?.() });
    this.list = [{ ...fresh(job.id, feature), startedAt: new Date() }, ...this.list].slice(0, KEPT);
    this.memory.update({ jobs: this.list.map(({ id, feature }) => ({ id, feature })) });
    this.#watch(job.id);
    this.flush();
  }

  async cancel(id: string): Promise<void> {
    await this.#client.jobs.cancel(id);
  }

  #watch(id: string): void {
    if (this.#watches.has(id)) return;
    this.#change(id, { steps: [], progress: 0 }); // The stream begins with the first status.
    this.#watches.set(
      id,
      this.#client.jobs.watch<Progress>(id, {
        status: ({ status, progress }) => {
          const { steps } = this.list.find((job) => job.id === id) ?? { steps: [] };
          this.#change(id, { progress: progress ?? 0, steps: status && steps.at(-1) !== status ? [...steps, status] : steps });
        },
        complete: () => this.#change(id, { status: 'completed', progress: 100 }),
        error: ({ code, message }) => this.#change(id, { status: code === 'cancelled' ? 'cancelled' : code === 'unknown_job' ? 'gone' : 'failed', message }),
      }),
    );
  }

  #change(id: string, change: Partial<Deployment>): void {
    this.list = this.list.map((job) => (job.id === id ? { ...job, ...change } : job));
    this.changed();
  }
}

function fresh(id: string, feature: string): Deployment {
  return { id, feature, status: 'running', progress: 0, steps: [] };
}

