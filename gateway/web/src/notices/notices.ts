import type { Client, Message } from 'orleans-realtime';
import { Model } from '../model.ts';
import { textOf } from '../ui/text.ts';
import type { Toasts } from './toasts.ts';

const KEPT = 100;

export interface Notice {
  id: string;
  text: string;
  from?: string;
  at: Date;
}

/** Notifications to everybody: those that have come to this tab. */
export class Notices extends Model {
  received: readonly Notice[] = [];
  #client!: Client;

  constructor(private readonly toasts: Toasts) {
    super();
  }

  attach(client: Client): void {
    this.#client = client;
    client.on('notification', (message) => this.#received(message));
  }

  async broadcast(text: string): Promise<void> {
    const sent = this.#client.notify({ text });
    try {
      await sent.kept;
    } catch (error) {
      sent.discard();
      throw error;
    }
  }

  #received({ cursor, time, from, data }: Message): void {
    const id = cursor ?? `${time} ${from}`;
    if (this.received.some((known) => known.id === id)) return;
    const text = textOf(data);
    this.received = [{ id, text, from, at: new Date(time) }, ...this.received].slice(0, KEPT);
    this.toasts.show({ kind: 'notification', title: from ?? 'Announcement:', text });
    this.changed();
  }
}
