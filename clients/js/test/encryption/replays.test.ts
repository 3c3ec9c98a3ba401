import { describe, expect, test } from 'vitest';
import { Replays } from '../../src/encryption/replays.js';

const at = (offset: number, epoch = 'e') => ({ epoch, offset });

describe('What has been seen', () => {
  test('pages in any order are accepted, and again; at any other place nothing is', () => {
    for (let round = 0; round < 50; round++) {
      const replays = new Replays();
      const messages = Array.from({ length: 40 }, (_, i) => ({ n: i + 1, offset: 3 * i + 5 }));
      const shuffled = messages.map((message) => ({ message, by: Math.random() })).sort((a, b) => a.by - b.by).map(({ message }) => message);
      for (const { n, offset } of [...shuffled, ...shuffled]) {
        expect(replays.accept('s', n, at(offset))).toBe(true);
      }
      for (let i = 0; i < 200; i++) {
        const n = 1 + Math.floor(Math.random() * 40);
        const offset = Math.floor(Math.random() * 130);
        expect(replays.accept('s', n, at(offset))).toBe(messages[n - 1]!.offset === offset);
      }
    }
  });

  test('sessions do not hinder one another', () => {
    const replays = new Replays();
    expect([replays.accept('a', 5, at(1)), replays.accept('b', 5, at(2)), replays.accept('b', 4, at(3))]).toEqual([true, true, false]);
  });

  test('the memory of a session is bounded, and what is new still has to grow', () => {
    const replays = new Replays(10, 20);
    for (let n = 1; n <= 1000; n++) {
      expect(replays.accept('s', n, at(n))).toBe(true);
    }
    for (let n = 1; n <= 1000; n++) {
      expect(replays.accept('s', n, at(1001))).toBe(false);
      expect(replays.accept('s', n, undefined)).toBe(false);
    }
    expect(replays.accept('s', 1001, at(1001))).toBe(true);
  });

  test('the memory of sessions is bounded: the one used longest ago goes', () => {
    const replays = new Replays(3);
    for (const session of ['a', 'b', 'c', 'a', 'd']) {
      replays.accept(session, 1, at(1));
    }
    expect(['a', 'b', 'c', 'd'].map((session) => replays.highest(session) !== undefined)).toEqual([true, false, true, true]);
  });

  test('transient messages come once, in any order, within a bounded memory', () => {
    const replays = new Replays(10, 20);
    expect([3, 1, 2].map((n) => replays.accept('s', n, undefined))).toEqual([true, true, true]);
    expect([1, 2, 3].map((n) => replays.accept('s', n, undefined))).toEqual([false, false, false]);
    for (let n = 10; n < 1000; n++) {
      replays.accept('s', n, undefined);
    }
    for (let n = 1; n < 1000; n++) {
      expect(replays.accept('s', n, undefined)).toBe(false);
    }
  });

  test('after a restart nothing that was seen is new', () => {
    const before = new Replays();
    for (let n = 1; n <= 50; n++) {
      before.accept('s', n, n % 5 === 0 ? undefined : at(n));
    }
    const after = new Replays();
    after.restore(JSON.parse(JSON.stringify({ s: before.highest('s') })));
    expect(after.accept('s', 49, at(49))).toBe(true);
    expect(after.accept('s', 30, at(31))).toBe(true);
    for (let n = 1; n <= 49; n++) {
      expect(after.accept('s', n, at(60))).toBe(false);
      expect(after.accept('s', n, undefined)).toBe(false);
      expect(after.accept('s', n, at(1, 'another'))).toBe(false);
    }
    expect(after.accept('s', 50, undefined)).toBe(false);
    expect(after.accept('s', 51, at(60))).toBe(true);
  });

  test('a latest value is not replaced by an older one', () => {
    const replays = new Replays();
    const value = (n: number, revision: number, key = 'k') => replays.accept('s', n, { key, revision });
    expect([value(1, 1), value(1, 1), value(3, 2), value(2, 3), value(1, 3), value(3, 2), value(2, 9, 'other'), value(2, 8, 'other'), value(3, 1, 'third')])
      .toEqual([true, true, true, false, false, true, true, false, false]);
  });
});
