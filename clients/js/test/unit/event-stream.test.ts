import { expect, it } from 'vitest';
import { EventStreamParser } from '../../src/transports/event-stream.js';

const parse = (...pieces: string[]) => {
  const parser = new EventStreamParser();
  return pieces.flatMap((piece) => parser.push(piece));
};

it('takes events apart', () => {
  expect(parse('retry: 1000\n\n: comment\n\nid: 1\nevent: direct\ndata: {"a":\ndata: 1}\n\ndata:x\n\n')).toEqual([
    { event: 'direct', data: '{"a":\n1}', id: '1' }, { event: 'message', data: 'x', id: '1' },
  ]);
});

it('tells of an id without data', () => {
  expect(parse('id: a:1,b:2\n\n\n\n')).toEqual([{ event: 'message', data: undefined, id: 'a:1,b:2' }]);
});

it('does not mind where the pieces end', () => {
  const text = 'event: ä\r\ndata: one\r\ndata\r\nid: 2\r\n\r\ndata: two\r\rdata: three\n\n';
  const whole = parse(text);
  expect(whole).toEqual([{ event: 'ä', data: 'one\n', id: '2' }, { event: 'message', data: 'two', id: '2' }, { event: 'message', data: 'three', id: '2' }]);
  expect(parse(...text)).toEqual(whole);
});

it('drops an event that is cut off', () => {
  expect(parse('data: whole\n\ndata: half\n')).toHaveLength(1);
});
