// An encrypting client of clients/js, for the tests of others: node client.mjs ADDRESS TOKEN ROOM
// Its commands come as lines of JSON: {op: 'send', data}, {op: 'direct', user, data}, {op: 'fingerprint', user}. It writes lines of JSON:
// {ready, key, fingerprint}, {from, room?, event, data, encrypted}, {kept}, {refused, from}, {fingerprint}.
import { createInterface } from 'node:readline';
import { connect } from '../../../clients/js/dist/index.js';
import { encryption } from '../../../clients/js/dist/encryption/index.js';

const [address, token, name] = process.argv.slice(2);
const write = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const client = connect({ url: address, token });
const e2e = encryption(client);
e2e.on('refused', ({ code, refused }) => write({ refused: code, from: refused.from }));
e2e.on('error', (error) => process.stderr.write(`${error.stack}\n`));
const room = e2e.room(name);
const show = ({ from, room: of, event, data, encrypted }) => write({ from, room: of, event, data, encrypted });
room.on('message', show);
client.on('direct', show);
await client.connected();
await room.join();
const { key, fingerprint } = await e2e.device();
write({ ready: true, key, fingerprint });

for await (const line of createInterface({ input: process.stdin })) {
  const { op, user, data } = JSON.parse(line);
  if (op === 'fingerprint') {
    write({ fingerprint: await e2e.fingerprint(user) });
    continue;
  }
  const sent = op === 'send' ? room.send(data) : e2e.direct(user).send(data, { event: 'note' });
  sent.kept.then(({ offset }) => write({ kept: offset }), (error) => write({ failed: error.code ?? error.message }));
}
client.close();
