import { afterEach, expect, it, vi } from 'vitest';
import { Backoff } from '../../src/backoff.js';

afterEach(() => vi.restoreAllMocks());

const delays = (backoff: Backoff) => {
  const all: (number | null)[] = [];
  do all.push(backoff.next());
  while (all.at(-1) !== null);
  return all;
};

it('doubles from 1 s to 30 s, ten times', () => {
  vi.spyOn(Math, 'random').mockReturnValue(0);
  expect(delays(new Backoff())).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000, 30000, 30000, null]);
});

it('adds up to a second of jitter', () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.999);
  expect(new Backoff().next()).toBe(1999);
});

it('begins anew after a reset', () => {
  vi.spyOn(Math, 'random').mockReturnValue(0);
  const backoff = new Backoff({ attempts: 2, base: 10, max: 15 });
  expect(delays(backoff)).toEqual([10, 15, null]);
  backoff.reset();
  expect(backoff.next()).toBe(10);
});
