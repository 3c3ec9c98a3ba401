import { beforeEach, expect, it } from 'vitest';
import { Channel } from '../../src/channel.js';
import type { Message } from '../../src/index.js';
import { EPOCH, messageOf, settle } from '../support/fake.js';

let log: string[];
let decode: ((message: Message) => Promise<() => void>) | undefined;
let taken: (message: Message) => boolean;
let channel: Channel;

beforeEach(() => {
  log = [];
  decode = undefined;
  taken = () => false;
  channel = new Channel({ room: 'r' }, {
    intercept: (message) => taken(message),
    decode: (message) => decode?.(message),
    deliver: (message) => log.push(String(message.data)),
    gap: ({ reason, cursor }) => log.push(`gap ${reason} ${cursor ?? ''}`.trim()),
    moved: () => {},
  });
});

const receive = (...offsets: number[]) => offsets.forEach((offset) => channel.receive(messageOf('r', offset)));

it('delivers an offset once, and none that is behind', () => {
  receive(1, 2, 2, 1, 3);
  expect(log).toEqual(['1', '2', '3']);
  expect(channel.received).toBe(`${EPOCH}:3`);
  expect(channel.delivered).toBe(`${EPOCH}:3`);
});

it('begins after its cursor', () => {
  channel.begin(`${EPOCH}:2`);
  receive(1, 2, 3);
  channel.begin(`${EPOCH}:1`);
  receive(3, 4);
  expect(log).toEqual(['3', '4']);
});

it('passes on what has no place in the log', () => {
  receive(1);
  const { offset, epoch, cursor, ...transient } = messageOf('r', 1, { delivery: 'transient', data: 'typing' });
  channel.receive(transient);
  channel.receive(transient);
  expect([offset, epoch, cursor]).toEqual([1, EPOCH, `${EPOCH}:1`]);
  expect(log).toEqual(['1', 'typing', 'typing']);
});

it('tells of a new log once, whether by its first message or by the server', () => {
  receive(5);
  channel.receive(messageOf('r', 1, { epoch: 'new', cursor: 'new:1', data: 'first' }));
  channel.gap({ reason: 'not_recovered', cursor: 'new:0' });
  channel.begin('new:0');
  channel.receive(messageOf('r', 2, { epoch: 'new', cursor: 'new:2', data: 'second' }));
  expect(log).toEqual(['5', 'gap new_epoch new:1', 'first', 'second']);
});

it('tells of what was trimmed, and goes on behind it', () => {
  receive(1);
  channel.gap({ reason: 'trimmed', cursor: `${EPOCH}:9` });
  receive(9, 10);
  expect(log).toEqual(['1', `gap trimmed ${EPOCH}:9`, '10']);
});

it('keeps the order while a codec decodes, and moves the delivered cursor behind', async () => {
  const waiting: (() => void)[] = [];
  decode = (message) => new Promise((resolve) => waiting.push(() => resolve(() => log.push(`decoded ${message.data}`))));
  receive(1, 2);
  channel.gap({ reason: 'trimmed', cursor: `${EPOCH}:5` });
  receive(6);
  await settle();
  expect(waiting).toHaveLength(1);
  expect(channel.received).toBe(`${EPOCH}:6`);
  expect(channel.delivered).toBeUndefined();
  for (let i = 0; i < 3; i++) {
    waiting.shift()!();
    await settle();
  }
  expect(log).toEqual(['decoded 1', 'decoded 2', `gap trimmed ${EPOCH}:5`, 'decoded 6']);
  expect(channel.delivered).toBe(`${EPOCH}:6`);
});

it('counts what somebody else has taken as delivered, and asks once for each', () => {
  const asked: unknown[] = [];
  taken = ({ data }) => (asked.push(data), data === 2);
  receive(1, 2, 2, 3);
  expect(log).toEqual(['1', '3']);
  expect(asked).toEqual([1, 2, 3]);
  expect(channel.delivered).toBe(`${EPOCH}:3`);
});

it('drops what waits when it is left', async () => {
  let finish = () => {};
  decode = () => new Promise((resolve) => (finish = () => resolve(() => log.push('late'))));
  receive(1, 2);
  channel.forget();
  finish();
  await settle();
  expect(log).toEqual([]);
  expect(channel.received).toBeUndefined();
  expect(channel.delivered).toBeUndefined();
});
