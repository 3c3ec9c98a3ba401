import { RealtimeError } from './errors.js';

const WORD = '[A-Za-z0-9_-]+';
const TOPIC = new RegExp(`^${WORD}(\\.${WORD})*$`);
const PATTERN = new RegExp(`^${WORD}(\\.(${WORD}|\\*))*(\\.>)?$`);
const MAX_LENGTH = 128;

/** The room that carries the topics with the same first word, which is literal in patterns too. */
export const roomOf = (topic: string): string => `topic:${topic.split('.', 1)[0]}`;

export function checkTopic(topic: string): void {
  if (topic.length > MAX_LENGTH || !TOPIC.test(topic)) {
    throw new RealtimeError('invalid_argument', `'${topic}' is no topic: words of letters, digits, '_' and '-' with dots between them, at most ${MAX_LENGTH} characters.`);
  }
}

/** Whether a topic matches a pattern: `*` stands for one word, `>` at the end for one or more. */
export function matcher(pattern: string): (topic: string) => boolean {
  if (pattern.length > MAX_LENGTH || !PATTERN.test(pattern)) {
    throw new RealtimeError('invalid_argument', `'${pattern}' is no pattern: a word, then words or '*' with dots between them, and perhaps '>' at the end.`);
  }
  const words = pattern.split('.');
  const open = words.at(-1) === '>';
  if (open) words.pop();
  return (topic) => {
    const given = topic.split('.');
    if (open ? given.length <= words.length : given.length !== words.length) return false;
    return words.every((word, index) => word === '*' || word === given[index]);
  };
}
