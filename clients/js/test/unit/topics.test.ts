import { describe, expect, it } from 'vitest';
import { checkTopic, matcher, roomOf } from '../../src/topics.js';

describe('patterns', () => {
  it.each([
    ['orders', 'orders', true], ['orders', 'orders.created', false],
    ['orders.*', 'orders.created', true], ['orders.*', 'orders', false], ['orders.*', 'orders.created.eu', false],
    ['orders.>', 'orders.created', true], ['orders.>', 'orders.created.eu', true], ['orders.>', 'orders', false],
    ['orders.*.eu', 'orders.created.eu', true], ['orders.*.eu', 'orders.created.us', false], ['orders.*.>', 'orders.a.b', true], ['orders.*.>', 'orders.a', false],
    ['orders.x', 'ordersAx', false],
  ])('%s and %s: %s', (pattern, topic, matches) => expect(matcher(pattern)(topic)).toBe(matches));

  it.each(['', '*', '>', '*.created', 'orders.>.x', 'orders..x', 'orders.', 'ord ers', 'orders.x*', 'x'.repeat(129)])('refuses %j', (pattern) => {
    expect(() => matcher(pattern)).toThrow();
  });
});

it('checks topics and finds their rooms', () => {
  expect(roomOf('orders.created')).toBe('topic:orders');
  expect(() => checkTopic('orders.created-1_x')).not.toThrow();
  for (const topic of ['', 'orders.', 'orders.*', 'ördérs', 'x'.repeat(129)]) expect(() => checkTopic(topic)).toThrow();
});
