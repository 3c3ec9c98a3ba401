import { expect, test } from 'vitest';
import { Directory } from '../../src/encryption/directory.js';
import { deviceKey } from '../../src/encryption/envelope.js';
import { DeviceStore, memoryKeyStore } from '../../src/encryption/keyStore.js';

const names = Array.from({ length: 5 }, () => deviceKey().name) as [string, string, string, string, string];

function start({ verifiedOnly = false, store = memoryKeyStore() } = {}) {
  const listed = new Map<string, string[]>();
  const asked: string[] = [];
  const changed: string[] = [];
  let now = 0;
  const directory = new Directory({
    list: async (user) => {
      asked.push(user);
      return listed.get(user) ?? [];
    },
    store: new DeviceStore(store, 'me'),
    verifiedOnly, user: 'me', own: names[0],
    onKeyChanged: ({ key }) => changed.push(key),
    now: () => now,
  });
  return { directory, listed, asked, changed, pass: (milliseconds: number) => (now += milliseconds) };
}

test('A copy is used for ten seconds', async () => {
  const { directory, listed, asked, pass } = start();
  listed.set('ann', [names[1]]);
  expect(await directory.current('ann')).toEqual([names[1]]);
  listed.set('ann', [names[2], names[1]]);
  pass(9_999);
  expect(await directory.current('ann')).toEqual([names[1]]);
  pass(1);
  expect(await directory.current('ann')).toEqual([names[2], names[1]]);
  expect(asked).toEqual(['ann', 'ann']);
});

test('The first keys of a user are taken as they are, each later one is reported once, over restarts too', async () => {
  const store = memoryKeyStore();
  const { directory, listed, changed, pass } = start({ store });
  listed.set('ann', [names[1], names[2]]);
  await directory.current('ann');
  expect(changed).toEqual([]);
  listed.set('ann', [names[3]]);
  pass(20_000);
  await Promise.all([directory.current('ann'), directory.keys('ann'), directory.lists('ann', names[4])]);
  expect(changed).toEqual([names[3]]);
  const again = start({ store });
  again.listed.set('ann', [names[3], names[4]]);
  await again.directory.current('ann');
  expect(again.changed).toEqual([names[4]]);
});

test('A key that is remembered stays the user\'s after the directory has displaced it, but nothing is encrypted for it', async () => {
  const { directory, listed, pass } = start();
  listed.set('ann', [names[1]]);
  await directory.current('ann');
  listed.set('ann', [names[2]]);
  pass(20_000);
  await directory.prepare('ann', names[1]);
  expect(directory.isKeyOf('ann', names[1])).toBe(true);
  expect(await directory.usable('ann')).toEqual([names[2]]);
  expect(directory.isKeyOf('bob', names[1])).toBe(false);
});

test('An unknown sender is looked up, whatever the age of the copy', async () => {
  const { directory, listed } = start();
  await directory.current('ann');
  listed.set('ann', [names[1]]);
  expect(directory.isKeyOf('ann', names[1])).toBe(false);
  await directory.prepare('ann', names[1]);
  expect(directory.isKeyOf('ann', names[1])).toBe(true);
});

test('What is no key is not taken from the directory', async () => {
  const { directory, listed } = start();
  listed.set('ann', ['', 'x', `${names[1]}=`, names[1]]);
  expect(await directory.current('ann')).toEqual([names[1]]);
});

test('One\'s own device needs neither listing nor verifying', () => {
  const { directory } = start({ verifiedOnly: true });
  expect([directory.isKeyOf('me', names[0]), directory.mayUse('me', names[0]), directory.mayUse('ann', names[0])]).toEqual([true, true, false]);
});

test('A directory that fails is asked again', async () => {
  const { directory, listed } = start();
  listed.set('ann', [names[1]]);
  const list = listed.get.bind(listed);
  listed.get = () => {
    throw new Error('down');
  };
  await expect(directory.current('ann')).rejects.toThrow('down');
  listed.get = list;
  expect(await directory.current('ann')).toEqual([names[1]]);
});

test('Of many keys the oldest that are not verified are forgotten', async () => {
  const { directory, listed } = start();
  const many = Array.from({ length: 150 }, () => deviceKey().name);
  await directory.verify('ann', many[0]!, true);
  listed.set('ann', many);
  await directory.current('ann');
  const known = many.filter((key) => directory.isKeyOf('ann', key));
  expect(known).toHaveLength(100);
  // The directory lists the newest first.
  expect(known).toEqual(many.slice(0, 100));
});
