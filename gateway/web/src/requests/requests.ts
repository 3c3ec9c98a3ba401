import { RealtimeError, RefusedError, type Client } from 'orleans-realtime';
import { Model } from '../model.ts';

/** The event that pages of this kind ask each other. */
const ASK = 'ask';

const KEPT = 50;

export type Outcome = 'waiting' | 'answered' | 'refused' | 'offline' | 'timeout' | 'failed';

/** A question that this user has asked. */
export interface Question {
  id: number;
  user: string;
  text: string;
  at: Date;
  outcome: Outcome;
  /** The answer, or what went wrong. */
  answer?: string;
  milliseconds?: number;
}

/** A question to this user, on the screen until it is answered or its asker has given up. */
export interface Asked {
  id: number;
  from?: string;
  text: string;
  answer(text: string): void;
  refuse(): void;
}

export class Requests extends Model {
  questions: readonly Question[] = [];
  asked: readonly Asked[] = [];
  #client!: Client;
  #last = 0;

  attach(client: Client): void {
    this.#client = client;
    client.onRequest<{ text?: unknown; timeout?: unknown }>(ASK, (data, { from }) => this.#ask(from, String(data?.text ?? ''), Number(data?.timeout) || 10_000));
  }

  /** @param timeout in milliseconds */
  async ask(user: string, text: string, timeout: number): Promise<void> {
    const id = ++this.#last;
    this.questions = [{ id, user, text, at: new Date(), outcome: 'waiting' as const }, ...this.questions].slice(0, KEPT);
    this.flush();
    const begun = performance.now();
    try {
      const answer = await this.#client.requestUser(user, ASK, { text, timeout }, { timeout });
      this.#settle(id, 'answered', typeof answer === 'string' ? answer : JSON.stringify(answer), performance.now() - begun);
    } catch (error) {
      const { code, message } = error as RealtimeError;
      const known = code === 'refused' || code === 'offline' || code === 'timeout';
      this.#settle(id, known ? code : 'failed', message, performance.now() - begun);
    }
  }

  #settle(id: number, outcome: Outcome, answer: string, milliseconds: number): void {
    this.questions = this.questions.map((question) => (question.id === id ? { ...question, outcome, answer, milliseconds } : question));
    this.flush();
  }

  /** Once its time is over the question goes from the screen, and nothing is answered: whoever asked has been told by the server that it was too late. */
  #ask(from: string | undefined, text: string, timeout: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const id = ++this.#last;
      const close = () => {
        clearTimeout(timer);
        this.asked = this.asked.filter((other) => other.id !== id);
        this.flush();
      };
      const timer = setTimeout(close, timeout);
      this.asked = [
        ...this.asked,
        {
          id,
          from,
          text,
          answer: (answer) => {
            close();
            resolve(answer);
          },
          refuse: () => {
            close();
            reject(new RefusedError('Declined.'));
          },
        },
      ];
      this.flush();
    });
  }
}
