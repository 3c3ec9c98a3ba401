import { describe, expect, test } from 'vitest';
import nacl from 'tweetnacl';
import { encode } from '../../src/encryption/encoding.js';
import { newId } from '../../src/encryption/envelope.js';
import { maxGeneration, readHandOver, RoomKeys } from '../../src/encryption/roomKeys.js';

function bobWith(...present: string[]): RoomKeys {
  const keys = new RoomKeys('general', 'bob');
  keys.present(present);
  return keys;
}

const handOver = (generation: number, holders?: string[], key = nacl.randomBytes(32)) =>
  ({ room: 'general', key: encode(key), generation, ...(holders && { holders }) });

describe('Which key of a room to encrypt with', () => {
  test('one that was made in this stay, until somebody leaves', () => {
    const keys = bobWith('ann', 'carol');
    const made = keys.make();
    expect(keys.toEncryptWith()).toBe(made);
    keys.joined('dave');
    expect(keys.toEncryptWith()).toBe(made);
    keys.left('dave');
    expect(keys.toEncryptWith()).toBeUndefined();
    keys.joined('dave');
    expect(keys.toEncryptWith()).toBeUndefined();
    expect(keys.make().generation).toBe(2);
  });

  test('not one that came unasked, or without holders, or with one who is not there: but all can be read with', () => {
    const keys = bobWith('ann');
    const unasked = keys.handed(handOver(1, ['ann', 'bob']), 'ann', false);
    const old = keys.handed(handOver(2), 'ann', true);
    const gone = keys.handed(handOver(3, ['ann', 'carol']), 'ann', true);
    const injected = keys.handed(handOver(4, ['ann', 'bob']), 'mallory', true);
    expect(keys.toEncryptWith()).toBeUndefined();
    for (const key of [unasked, old, gone, injected]) {
      expect(keys.find(key.id)).toBe(key);
    }
    const asked = keys.handed(handOver(1, ['ann', 'bob']), 'ann', true);
    expect(keys.toEncryptWith()).toBe(asked);
  });

  test('a stay that has ended leaves none, and the next one begins without', () => {
    const keys = bobWith('ann');
    const made = keys.make();
    keys.endStay();
    expect(keys.toEncryptWith()).toBeUndefined();
    keys.present(['ann']);
    expect(keys.toEncryptWith()).toBeUndefined();
    expect(keys.find(made.id)).toBe(made);
    keys.handed({ ...handOver(1, ['ann', 'bob'], made.key) }, 'ann', true);
    expect(keys.toEncryptWith()).toBe(made);
  });

  test('presence that is told anew tells who has left', () => {
    const keys = bobWith('ann', 'carol');
    keys.make();
    keys.present(['ann', 'carol', 'dave']);
    expect(keys.toEncryptWith()).toBeDefined();
    keys.present(['ann', 'dave']);
    expect(keys.toEncryptWith()).toBeUndefined();
  });

  test('who asks and is not there any more makes it stale', () => {
    const keys = bobWith('ann');
    keys.make();
    keys.mayHave('ann');
    expect(keys.toEncryptWith()).toBeDefined();
    keys.mayHave('ghost');
    expect(keys.toEncryptWith()).toBeUndefined();
  });

  test('the highest generation, then the smallest id', () => {
    const keys = bobWith('ann');
    const handed = [3, 7, 7, 7, 1].map((generation) => keys.handed(handOver(generation, ['ann']), 'ann', true));
    const best = handed.filter((key) => key.generation === 7).map((key) => key.id).sort()[0];
    expect(keys.toEncryptWith()!.id).toBe(best);
  });

  test('generations end, and keys go on', () => {
    const keys = bobWith('ann');
    keys.handed(handOver(maxGeneration), 'ann', false);
    const made = keys.make();
    expect(made.generation).toBe(maxGeneration);
    expect(keys.toEncryptWith()).toBe(made);
  });

  test('the memory is bounded, and keeps what is fresh', () => {
    const keys = new RoomKeys('general', 'bob', 10);
    keys.present(['ann']);
    const made = keys.make();
    for (let i = 0; i < 50; i++) {
      keys.handed(handOver(1), 'mallory', false);
    }
    expect(keys.all.length).toBe(10);
    expect(keys.toEncryptWith()).toBe(made);
  });

  test('who is first', () => {
    expect(bobWith('carol', 'dave').isFirst()).toBe(true);
    expect(bobWith('ann', 'carol').isFirst()).toBe(false);
    expect(bobWith('ann', 'carol').isFirst('ann')).toBe(true);
    expect(new RoomKeys('general', 'bob').isFirst()).toBe(false);
  });
});

describe('A hand-over', () => {
  const good = { ...handOver(1, ['ann']), ask: newId() };

  test('is read', () => {
    for (const data of [good, { ...good, holders: undefined }, { ...good, ask: undefined }, { ...good, more: 1 }, { ...good, generation: maxGeneration }]) {
      expect(readHandOver(data)).toBeDefined();
    }
  });

  test.each<unknown[]>([
    [null], [[]], ['text'], [{}],
    ...Object.entries({
      room: [undefined, null, 1, []],
      key: [undefined, null, 1, '', good.key.slice(1), `${good.key}A`, `${good.key}=`],
      generation: [undefined, null, 0, -1, 1.5, '1', maxGeneration + 1, NaN],
      holders: [null, 'ann', {}, [1], [null]],
      ask: [null, 1, '', good.key],
    }).flatMap(([field, values]) => values.map((value) => [{ ...good, [field]: value }])),
  ])('is none: %j', (data) => {
    expect(readHandOver(data)).toBeUndefined();
  });

  test('tells all holders where the key is fresh, and none where it is not', () => {
    const keys = bobWith('ann', 'carol');
    const made = keys.make();
    expect(keys.handOver(made, 'ask').holders).toEqual(['ann', 'bob', 'carol']);
    keys.left('carol');
    expect(keys.handOver(made).holders).toBeUndefined();
  });
});
