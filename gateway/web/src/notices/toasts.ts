import { Model } from '../model.ts';

const SHOWN = 10_000;

export interface Toast {
  id: number;
  kind: 'info' | 'error' | 'notification';
  title?: string;
  text: string;
}

/** Short notes at the edge, which go by themselves. Nothing is said only there that the user has to act on. */
export class Toasts extends Model {
  shown: readonly Toast[] = [];
  #last = 0;

  show(toast: Omit<Toast, 'id'>): void {
    const id = ++this.#last;
    this.shown = [...this.shown, { ...toast, id }];
    setTimeout(() => this.dismiss(id), SHOWN);
    this.flush();
  }

  error(text: string): void {
    this.show({ kind: 'error', text });
  }

  dismiss(id: number): void {
    this.shown = this.shown.filter((toast) => toast.id !== id);
    this.flush();
  }
}
