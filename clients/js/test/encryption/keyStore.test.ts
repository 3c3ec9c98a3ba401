import { describe, expect, test } from 'vitest';
import nacl from 'tweetnacl';
import { encode } from '../../src/encryption/encoding.js';
import { DeviceStore, memoryKeyStore, storageKeyStore } from '../../src/encryption/keyStore.js';

function fakeStorage() {
  const values = new Map<string, string>();
  return { values, getItem: (name: string) => values.get(name) ?? null, setItem: (name: string, value: string) => void values.set(name, value) };
}

const slowKeyStore = () => {
  const inner = memoryKeyStore();
  return {
    get: async (name: string) => (await new Promise(setImmediate), inner.get(name)),
    set: async (name: string, value: string) => (await new Promise(setImmediate), inner.set(name, value)),
  };
};

describe.each([['memory', memoryKeyStore], ['a Storage', () => storageKeyStore(fakeStorage())], ['an asynchronous one', slowKeyStore]])('In %s', (_, make) => {
  test('the device\'s key stays the same, and is each user\'s own', async () => {
    const store = make();
    const [first, second] = await Promise.all([new DeviceStore(store, 'ann').device(), new DeviceStore(store, 'ann').device()]);
    const later = await new DeviceStore(store, 'ann').device();
    expect([first.name, second.name]).toContain(later.name);
    expect((await new DeviceStore(store, 'bob').device()).name).not.toBe(later.name);
  });

  test('room keys are kept, each once, at most so many', async () => {
    const store = new DeviceStore(make(), 'ann');
    const keys = Array.from({ length: 5 }, (_, i) => ({ key: nacl.randomBytes(32), generation: i + 1 }));
    await Promise.all([...keys, ...keys].map((key) => store.addRoomKey('general', key, 3)));
    expect(await store.roomKeys('general')).toEqual(keys.slice(2));
    expect(await store.roomKeys('other')).toEqual([]);
  });

  test('counters only rise, also where two tabs write them', async () => {
    const store = make();
    const [one, other] = [new DeviceStore(store, 'ann'), new DeviceStore(store, 'ann')];
    await one.raise('room:general', { s: { epoch: 'e', offset: 9, n: 5, t: 0 } }, 10);
    await other.raise('room:general', { s: { epoch: 'e', offset: 3, n: 2, t: 7 }, r: { n: 0, t: 1 } }, 10);
    expect(await one.highest('room:general')).toEqual({ s: { epoch: 'e', offset: 9, n: 5, t: 7 }, r: { n: 0, t: 1 } });
    for (let i = 0; i < 20; i++) {
      await one.raise('room:general', { [`s${i}`]: { n: 1, t: 1 } }, 10);
    }
    expect(Object.keys(await one.highest('room:general'))).toEqual(Array.from({ length: 10 }, (_, i) => `s${i + 10}`));
  });

  test('names of users and rooms may have anything in them', async () => {
    const store = make();
    for (const name of ['a/b', '../x', 'ä ö', '__proto__', '%2F']) {
      const device = new DeviceStore(store, name);
      await device.updateSeenKeys(name, () => [{ key: name, verified: true }]);
      await device.addRoomKey(name, { key: new Uint8Array(32), generation: 1 }, 10);
    }
    for (const name of ['a/b', '../x', 'ä ö', '__proto__', '%2F']) {
      expect(await new DeviceStore(store, name).seenKeys(name)).toEqual([{ key: name, verified: true }]);
      expect(await new DeviceStore(store, name).roomKeys(name)).toHaveLength(1);
    }
  });
});

test('A store whose device key is damaged says so, and does not become another device', async () => {
  const store = memoryKeyStore();
  await store.set('ann/device', JSON.stringify(encode(new Uint8Array(31))));
  await expect(new DeviceStore(store, 'ann').device()).rejects.toThrow('key store');
});

test('In a Storage everything has the prefix', async () => {
  const storage = fakeStorage();
  await new DeviceStore(storageKeyStore(storage, 'app/'), 'ann').device();
  expect([...storage.values.keys()]).toEqual(['app/ann/device']);
});
