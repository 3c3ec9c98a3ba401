import { beforeEach, describe, expect, inject, it } from 'vitest';
import { RefusedError, type Client, type ConnectionState, type ConnectOptions, type Gap, type Message } from '../../src/index.js';
import { clientOf, emptied, freshName, inState, MemoryStorage } from '../support/clients.js';
import { RunningGateway } from '../support/gateway.js';
import { Network } from '../support/network.js';
import { record, Recorded } from '../support/record.js';

const texts = (messages: readonly Message[]) => messages.map((message) => message.data);

/** What holds for each transport. */
export function transportContract(name: string, transport: NonNullable<ConnectOptions['transport']>): void {
  describe(`by ${name}`, () => {
    const gateway = new RunningGateway(inject('gatewayUrl'));
    let network: Network;

    beforeEach(async () => {
      network = await Network.to(gateway.url);
      return () => network.close();
    });

    const user = (id: string, options: Partial<ConnectOptions> = {}): Client => clientOf(gateway, id, { transport, ...options });
    /** One whose network can be cut. */
    const traveller = (id: string, options: Partial<ConnectOptions> = {}): Client => user(id, { url: network.url, ...options });

    it('joins, sends and receives in order', async () => {
      const [ann, bob] = [user('ann'), user('bob')];
      const name = freshName();
      const atAnn = record<Message>(ann.room(name), 'message');
      const atBob = record<Message>(bob.room(name), 'message');
      await Promise.all([ann.room(name).join(), bob.room(name).join()]);
      for (let i = 1; i <= 20; i++) (i % 2 ? ann : bob).room(name).send({ i });
      await Promise.all([atAnn.atLeast(20), atBob.atLeast(20)]);
      expect(atAnn.items.map((message) => message.offset)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
      expect(atBob.items).toEqual(atAnn.items);
      const ofAnn = atBob.items.filter((message) => message.from === 'ann').map((message) => (message.data as { i: number }).i);
      expect(ofAnn).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
      expect(ann.info).toMatchObject({ state: 'connected', attempt: 0, reconnects: 0 });
      expect(ann.user).toBe('ann');
    });

    it('acknowledges what is kept, once for each message id', async () => {
      const ann = user('ann');
      const room = ann.room(freshName());
      await room.join();
      const messageId = freshName('id');
      const first = await room.send('hello', { messageId, event: 'greeting' }).kept;
      const second = await room.send('hello again', { messageId }).kept;
      expect(first).toMatchObject({ offset: 1, messageId, duplicate: false });
      expect(second).toMatchObject({ offset: 1, duplicate: true });
      const { messages, cursor } = await room.history();
      expect(messages).toMatchObject([{ room: room.name, event: 'greeting', data: 'hello', from: 'ann', offset: 1, messageId }]);
      expect(cursor).toBe(first.cursor);
      expect(ann.outbox.size).toBe(0);
    });

    it('brings custom events, transient ones too', async () => {
      const [ann, bob] = [user('ann'), user('bob')];
      const name = freshName();
      const atBob = record<Message>(bob.room(name), 'message');
      await Promise.all([ann.room(name).join(), bob.room(name).join()]);
      await ann.room(name).send(null, { event: 'typing', delivery: 'transient' }).kept;
      await ann.room(name).send({ n: 1 }, { event: 'direct' }).kept;
      const [typing, direct] = await atBob.atLeast(2);
      expect(typing).toMatchObject({ event: 'typing', data: null, from: 'ann' });
      expect(typing!.offset).toBeUndefined();
      expect(direct).toMatchObject({ event: 'direct', data: { n: 1 }, offset: 1 });
    });

    it('pages back through the history', async () => {
      const room = user('ann').room(freshName());
      await room.join();
      for (let i = 1; i <= 5; i++) await room.send(i).kept;
      const newest = await room.history({ limit: 2 });
      expect(texts(newest.messages)).toEqual([4, 5]);
      const older = await room.history({ before: newest.messages[0]!.offset!, limit: 10 });
      expect(texts(older.messages)).toEqual([1, 2, 3]);
      const after = await room.history({ after: older.messages[1]!.cursor!, limit: 2 });
      expect(texts(after.messages)).toEqual([3, 4]);
      expect(after.more).toBe(true);
    });

    it('sends direct messages, which wait in the inbox', async () => {
      const [from, to] = [freshName('ann'), freshName('bob')];
      const ann = user(from);
      await ann.direct(to).send('while you were away').kept;
      const bob = user(to);
      const direct = record<Message>(bob, 'direct');
      const ofAnn = record<Message>(bob.direct(from), 'message');
      await direct.atLeast(1);
      await ann.direct(to).send('now you are here', { event: 'note' }).kept;
      await direct.atLeast(2);
      expect(direct.items).toMatchObject([
        { event: 'message', data: 'while you were away', from }, { event: 'note', data: 'now you are here', from },
      ]);
      expect(ofAnn.items).toEqual(direct.items);
      expect(texts((await bob.inbox()).messages)).toEqual(['while you were away', 'now you are here']);
    });

    it('notifies everybody, where the token allows it', async () => {
      const boss = user('boss', { getToken: () => gateway.token('boss', { role: 'admin' }) });
      const ann = user('ann');
      const notifications = record<Message>(ann, 'notification');
      await ann.connected();
      const text = freshName('closing time');
      const ack = await boss.notify(text, { event: 'alert' }).kept;
      expect(await notifications.find((message) => message.data === text)).toMatchObject({ event: 'alert', namespace: '/', cursor: ack.cursor });
      const refused = ann.notify('me too');
      await expect(refused.kept).rejects.toMatchObject({ code: 'not_allowed', permanent: true });
      expect(refused.state).toBe('failed');
    });

    it('knows who is in a room', async () => {
      const [ann, bob] = [user('ann'), user('bob')];
      const name = freshName();
      const room = ann.room(name);
      const members = record<{ list: string[] }>(room, 'members');
      const changes = record<{ joined: string[]; left: string[] }>(room, 'presence');
      await room.join();
      await members.find(({ list }) => list.join() === 'ann');
      await bob.room(name).join();
      await members.find(({ list }) => list.join() === 'ann,bob');
      expect(await room.presence()).toMatchObject({ members: 2 });
      bob.room(name).leave();
      await changes.find(({ left }) => left.includes('bob'));
      expect(room.members).toEqual({ count: 1, list: ['ann'] });
    });

    it('refuses a room that the token does not allow, and only that one', async () => {
      const ann = user('ann', { getToken: () => gateway.token('ann', { join: 'open-*' }) });
      const [open, secret] = [ann.room(freshName('open')), ann.room(freshName('secret'))];
      const errors = record<Error>(secret, 'error');
      const messages = record<Message>(open, 'message');
      const refused = expect(secret.join()).rejects.toMatchObject({ code: 'not_allowed' });
      await open.join();
      await refused;
      expect(secret.state).toBe('failed');
      expect(errors.items).toHaveLength(1);
      await open.send('still here').kept;
      await messages.atLeast(1);
    });

    it('gets exactly what it missed while offline', async () => {
      const [ann, bob] = [traveller('ann'), user('bob')];
      const name = freshName();
      const messages = record<Message>(ann.room(name), 'message');
      const direct = record<Message>(ann, 'direct');
      await Promise.all([ann.room(name).join(), bob.room(name).join()]);
      await bob.room(name).send(1).kept;
      await messages.atLeast(1);
      network.cut();
      await inState(ann, 'reconnecting');
      expect(ann.room(name).joined).toBe(false);
      for (let i = 2; i <= 6; i++) await bob.room(name).send(i).kept;
      const missed = freshName('missed');
      await bob.direct('ann').send(missed).kept;
      network.restore();
      await inState(ann, 'connected');
      await bob.room(name).send(7).kept;
      await messages.atLeast(7);
      await direct.find((message) => message.data === missed);
      expect(texts(messages.items)).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect(ann.info.reconnects).toBe(1);
      expect(direct.items.filter((message) => message.data === missed)).toHaveLength(1);
    });

    it('gets what came to another device meanwhile, and what everybody was told, though it had received nothing before', async () => {
      const [me, text] = [freshName('ann'), freshName('news')];
      const boss = user('boss', { getToken: () => gateway.token('boss', { role: 'admin' }) });
      const laptop = traveller(me);
      const [direct, notifications] = [record<Message>(laptop, 'direct'), record<Message>(laptop, 'notification')];
      await laptop.connected();
      // What is taken up again there, whatever the user's other devices are handed.
      expect(Object.keys(laptop.info.cursors).sort()).toEqual(['inbox', 'notifications']);
      network.cut();
      await inState(laptop, 'reconnecting');
      const atPhone = record<Message>(user(me), 'direct');
      await boss.direct(me).send(text).kept;
      await atPhone.atLeast(1);
      await boss.notify(text).kept;
      network.restore();
      await direct.find(({ data }) => data === text);
      await notifications.find(({ data }) => data === text);
      expect(direct.items).toHaveLength(1);
    });

    it('keeps exactly once and in order what was sent while offline', async () => {
      const [ann, bob] = [traveller('ann'), user('bob')];
      const name = freshName();
      const atBob = record<Message>(bob.room(name), 'message');
      await Promise.all([ann.room(name).join(), bob.room(name).join()]);
      network.cut();
      await inState(ann, 'reconnecting');
      const sent = Array.from({ length: 10 }, (_, i) => ann.room(name).send(i));
      const direct = ann.direct('bob').send('hi');
      expect(ann.outbox.size).toBe(11);
      expect(sent[0]!.state).toBe('queued');
      const transient = ann.room(name).send('typing', { delivery: 'transient' });
      await expect(transient.kept).rejects.toMatchObject({ code: 'not_connected' });
      network.restore();
      await Promise.all([...sent, direct].map(({ kept }) => kept));
      await atBob.atLeast(10);
      expect(texts((await bob.room(name).history()).messages)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(texts(atBob.items)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(ann.outbox.size).toBe(0);
    });

    it('keeps a message once whose acknowledgement was lost', async () => {
      const ann = traveller('ann');
      const room = ann.room(freshName());
      const messages = record<Message>(room, 'message');
      await room.join();
      const cut = network.cutAfter(/only once/);
      const sent = room.send('only once');
      const next = room.send('then this');
      await cut;
      network.restore();
      expect(await sent.kept).toMatchObject({ offset: 1, duplicate: true });
      expect(await next.kept).toMatchObject({ offset: 2, duplicate: false });
      await messages.atLeast(2);
      expect(texts(messages.items)).toEqual(['only once', 'then this']);
    });

    it('goes on after a reload where it was, and sends what waited', async () => {
      const storage = new MemoryStorage();
      const name = freshName();
      const [me, bob] = [freshName('ann'), user('bob')];
      const before = traveller(me, { storage });
      const seen = record<Message>(before.room(name), 'message');
      await Promise.all([before.room(name).join(), bob.room(name).join()]);
      await bob.room(name).send(1).kept;
      await seen.atLeast(1);
      network.cut();
      await inState(before, 'reconnecting');
      before.room(name).send('written offline').kept.catch(() => {});
      before.close();
      await bob.room(name).send(2).kept;
      network.restore();
      const after = traveller(me, { storage });
      const messages = record<Message>(after.room(name), 'message');
      const restored = after.room(name).join();
      await messages.atLeast(2);
      await restored;
      await emptied(after);
      expect(texts(messages.items)).toEqual([2, 'written offline']);
      expect(seen.items).toHaveLength(1);
    });

    it('tells of a gap where the history does not reach back', async () => {
      const [ann, bob] = [traveller('ann'), user('bob')];
      const name = freshName();
      const room = ann.room(name);
      const messages = record<Message>(room, 'message');
      const gaps = record<Gap>(room, 'gap');
      const resets = record<void>(room, 'reset');
      await Promise.all([room.join(), bob.room(name).join()]);
      await bob.room(name).send(0).kept;
      await messages.atLeast(1);
      network.cut();
      await inState(ann, 'reconnecting');
      await publish(gateway, name, 400);
      network.restore();
      const [gap] = await gaps.atLeast(1);
      expect(gap).toMatchObject({ room: name });
      expect(resets.items).toHaveLength(1);
      await inState(ann, 'connected');
      await bob.room(name).send('live').kept;
      await messages.find((message) => message.data === 'live');
      const offsets = messages.items.map((message) => message.offset!);
      expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b));
      expect(gaps.items).toHaveLength(1);
    });

    it('renews a token that is about to expire, on the living connection', async () => {
      // Not much less: with 5 s left a token is not connected with.
      const short = await gateway.token('ann', { expiresIn: '8' });
      const reasons: string[] = [];
      const ann = user('ann', {
        getToken: ({ reason }) => {
          reasons.push(reason);
          return reason === 'connect' ? short : gateway.token('ann');
        },
      });
      const fixed = user('ann', { token: short, getToken: undefined as never });
      const room = ann.room(freshName());
      const messages = record<Message>(room, 'message');
      const states = record<ConnectionState>(ann, 'state');
      const ends = record(fixed, 'closing');
      await Promise.all([room.join(), fixed.connected()]);
      expect(await ends.atLeast(1)).toMatchObject([{ reason: 'token_expired' }]);
      await inState(fixed, 'failed');
      await room.send('still here').kept;
      await messages.atLeast(1);
      expect(reasons[0]).toBe('connect');
      expect(reasons).toContain('expiring');
      expect(states.items).toEqual(['connected']);
    });

    it('fetches one new token where the server refuses the one it has', async () => {
      const requests: object[] = [];
      const ann = user('ann', {
        getToken: (request) => {
          requests.push(request);
          return request.refresh ? gateway.token('ann') : forged('ann');
        },
      });
      await ann.connected();
      expect(requests).toEqual([{ refresh: false, reason: 'connect' }, { refresh: true, reason: 'refused' }]);
    });

    it('fails with the error where a new token is refused as well', async () => {
      const requests: object[] = [];
      const ann = user('ann', {
        getToken: (request) => {
          requests.push(request);
          return forged('ann');
        },
      });
      await expect(ann.connected()).rejects.toMatchObject({ code: 'unauthenticated' });
      expect(ann.state).toBe('failed');
      expect(requests).toHaveLength(2);
      await expect(ann.room('x').join()).rejects.toMatchObject({ code: 'unauthenticated' });
    });

    it('stays away when an administrator ends the connection', async () => {
      const me = freshName('eve');
      const eve = user(me);
      const closing = record(eve, 'closing');
      await eve.connected();
      await fetch(`${gateway.url}/api/users/${me}/connections`, {
        method: 'DELETE', headers: { Authorization: `Bearer ${await gateway.token('boss', { role: 'admin' })}` },
      });
      await inState(eve, 'failed');
      expect(closing.items).toMatchObject([{ reason: 'disconnected', reconnect: false }]);
      expect(eve.info.error).toMatchObject({ code: 'disconnected' });
      eve.reconnect();
      await eve.connected();
    });

    it('publishes topics and picks them by pattern', async () => {
      const [ann, bob] = [user('ann'), user('bob')];
      const first = freshName('orders');
      const created: unknown[] = [];
      const all = new Recorded<string>();
      bob.subscribe(`${first}.>`, (_, { topic }) => all.push(topic));
      const stop = bob.subscribe(`${first}.created`, (data) => created.push(data));
      await stop.ready;
      await ann.publish(`${first}.created`, 1);
      await ann.publish(`${first}.created.eu`, 2);
      await all.atLeast(2);
      stop();
      await ann.publish(`${first}.created`, 3);
      await all.atLeast(3);
      expect(created).toEqual([1]);
      expect(all.items).toEqual([`${first}.created`, `${first}.created.eu`, `${first}.created`]);
    });

    it('hands messages to a loop until its signal', async () => {
      const [ann, bob] = [user('ann'), user('bob')];
      const name = freshName();
      const abort = new AbortController();
      const seen: unknown[] = [];
      const loop = (async () => {
        for await (const message of ann.room(name).messages({ signal: abort.signal })) {
          seen.push(message.data);
          if (message.data === 3) abort.abort();
        }
      })();
      await ann.room(name).join();
      for (let i = 1; i <= 3; i++) await bob.room(name).send(i).kept;
      await loop;
      expect(seen).toEqual([1, 2, 3]);
    });

    it('measures the way there and back', async () => {
      const ann = user('ann');
      expect(await ann.ping()).toBeGreaterThan(0);
      expect(ann.info.latency).toBeGreaterThan(0);
    });

    it('starts a job, watches it over a lost connection, and gets its result', async () => {
      const ann = traveller('ann');
      const idempotencyKey = freshName('deployment');
      const job = await ann.jobs.start('deploy', { featureId: 'login' }, { idempotencyKey });
      expect(job).toMatchObject({ name: 'deploy', room: `job:${job.id}`, status: 'running' });
      expect(await ann.jobs.start('deploy', { featureId: 'login' }, { idempotencyKey })).toMatchObject({ id: job.id });
      const statuses = new Recorded<{ progress: number }>();
      const ended = new Recorded<unknown>();
      ann.jobs.watch<{ progress: number }>(job.id, {
        status: (status) => statuses.push(status),
        complete: (result) => ended.push(result),
        error: (error) => ended.push(error),
      });
      await statuses.atLeast(1);
      network.breakAll();
      const result = await ann.jobs.result(job.id);
      await ended.atLeast(1);
      expect(result).toMatchObject({ featureId: 'login' });
      expect(ended.items).toEqual([result]);
      expect(statuses.items.map(({ progress }) => progress)).toEqual([25, 50, 75, 100]);
      expect(await ann.jobs.get(job.id)).toMatchObject({ status: 'completed', result, startedBy: 'ann' });
      expect(await ann.jobs.cancel(job.id)).toBe(false);
      expect(ann.room(job.room).state).toBe('left');
    });

    it('cancels a job, and tells of one that nobody knows', async () => {
      const ann = user('ann');
      const job = await ann.jobs.start('deploy', { featureId: 'nothing' });
      const result = ann.jobs.result(job.id);
      expect(await ann.jobs.cancel(job.id)).toBe(true);
      await expect(result).rejects.toMatchObject({ code: 'cancelled' });
      await expect(ann.jobs.result('A'.repeat(22))).rejects.toMatchObject({ code: 'unknown_job' });
      await expect(ann.jobs.start('deploy', { featureId: '' })).rejects.toMatchObject({ code: 'invalid_argument' });
    });

    it('asks another user, whose client answers or refuses', async () => {
      const [asking, asked] = [user('ann'), freshName('bob')];
      await expect(asking.requestUser(asked, 'call')).rejects.toMatchObject({ code: 'offline' });
      const bob = clientOf(gateway, asked, { transport: name === 'sse' ? 'signalr' : transport });
      bob.onRequest<{ n: number }>('double', async ({ n }, { from, event }) => ({ doubled: n * 2, from, event }));
      bob.onRequest('call', () => {
        throw new RefusedError('Not now.');
      });
      await bob.connected();
      expect(await asking.requestUser(asked, 'double', { n: 21 })).toEqual({ doubled: 42, from: 'ann', event: 'double' });
      await expect(asking.requestUser(asked, 'call')).rejects.toMatchObject({ code: 'refused', message: 'Not now.' });
      await expect(asking.requestUser(asked, 'unheard')).rejects.toMatchObject({ code: 'refused' });
    });

    it('keeps keys in the directory', async () => {
      const me = freshName('ann');
      const ann = user(me);
      const key = 'A'.repeat(43);
      expect(await ann.keys.put(key)).toMatchObject({ user: me, keys: [{ key }] });
      expect(await user('bob').keys.list(me)).toMatchObject({ keys: [{ key }] });
      expect(await ann.keys.remove(key)).toMatchObject({ keys: [] });
    });

    it('rejects what the application has no handler for', async () => {
      await expect(user('ann').request('nobody:home', { x: 1 })).rejects.toMatchObject({ code: 'unknown_event' });
    });
  });
}

/** Side by side, in no order. */
async function publish(gateway: RunningGateway, room: string, count: number): Promise<void> {
  const headers = { Authorization: `Bearer ${await gateway.token('bob')}`, 'Content-Type': 'application/json' };
  const url = `${gateway.url}/api/rooms/${room}/messages`;
  await Promise.all(Array.from({ length: count }, async (_, n) => (await fetch(url, { method: 'POST', headers, body: JSON.stringify({ data: n }) })).json()));
}

/** A token that looks good and is signed by nobody. */
function forged(user: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, exp: Math.floor(Date.now() / 1000) + 3600 })}.${'A'.repeat(43)}`;
}
