import { useSyncExternalStore } from 'react';

// In a busy room messages come faster than anybody reads; one drawing serves all that came within this time.
const DRAW_DELAY = 16;

/** Something that changes outside of React, and says so. Components read it through {@link useModel}. */
export abstract class Model {
  #listeners = new Set<() => void>();
  #version = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  readonly onChange = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly version = (): number => this.#version;

  /** Tells of a change a moment later, together with those until then. */
  protected changed(): void {
    this.#timer ??= setTimeout(() => this.flush(), DRAW_DELAY);
  }

  /** Tells of it now: what the user does must be seen at once. */
  protected flush(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#version++;
    for (const listener of this.#listeners) listener();
  }
}

/** The model itself; the component is drawn again whenever it changes. */
export function useModel<T extends Model>(model: T): T {
  useSyncExternalStore(model.onChange, model.version);
  return model;
}
