import { EventSource } from 'eventsource';
import { Window } from 'happy-dom';
import { StrictMode, type ReactNode } from 'react';
import { createRoot } from 'react-dom/client';
import { inject, it } from 'vitest';
import { RealtimeProvider, useClient, useConnectionState, useJob, useRoom, useSSE } from '../../src/react/index.js';
import { clientOf, freshName, inState } from '../support/clients.js';
import { RunningGateway } from '../support/gateway.js';
import { Network } from '../support/network.js';

// Set by hand: the environment would also take Node's fetch away, and with it the way to the server.
const window = new Window();
Object.assign(globalThis, { window, document: window.document, HTMLElement: window.HTMLElement, IS_REACT_ACT_ENVIRONMENT: false });

const gateway = new RunningGateway(inject('gatewayUrl'));

/** Renders, and resolves with the text once it is as wanted. */
function show(element: ReactNode): { text: (wanted: RegExp) => Promise<string>; unmount: () => void } {
  const container = window.document.createElement('div');
  const root = createRoot(container as unknown as HTMLElement);
  root.render(<StrictMode>{element}</StrictMode>);
  return {
    text: (wanted) => new Promise((resolve) => {
      const look = () => {
        if (!wanted.test(container.textContent)) return;
        observer.disconnect();
        resolve(container.textContent);
      };
      const observer = new window.MutationObserver(look);
      observer.observe(container, { childList: true, characterData: true, subtree: true });
      look();
    }),
    unmount: () => root.unmount(),
  };
}

it('shows a room of the real server, over a lost connection', async () => {
  const network = await Network.to(gateway.url);
  const name = freshName();
  const bob = clientOf(gateway, 'bob', { transport: 'sse' });
  await bob.room(name).send('before').kept;
  let send = (_: string) => {};
  function Chat() {
    const { messages, pending, members, send: sendToRoom } = useRoom<string>(name);
    send = sendToRoom;
    const { state } = useConnectionState();
    return <p>{state} [{messages.map(({ data }) => data).join()}] [{pending.map(({ data }) => String(data)).join()}] {members.list.join()}</p>;
  }
  const ann = clientOf(gateway, 'ann', { transport: 'sse', url: network.url });
  const view = show(<RealtimeProvider client={ann}><Chat /></RealtimeProvider>);
  await view.text(/^connected \[before\] \[\] ann$/);
  network.cut();
  await view.text(/^reconnecting/);
  send('mine');
  await bob.room(name).send('theirs').kept;
  await view.text(/\[before\] \[mine\]/);
  network.restore();
  await view.text(/^connected \[before,theirs,mine\] \[\] ann$/);
  view.unmount();
  await inState(ann, 'connected');
  await network.close();
});

it('shows a job to its end, through the client and as a plain event stream', async () => {
  const ann = clientOf(gateway, 'ann', { transport: 'sse' });
  const job = await ann.jobs.start('deploy', { featureId: 'login' });
  const url = `${gateway.url}${job.events}?access_token=${await gateway.token('ann')}`;
  function Deployment() {
    const watched = useJob<{ progress: number }, { featureId: string }>(job.id);
    const stream = useSSE<{ progress: number }>(url, { eventSource: EventSource as unknown as typeof globalThis.EventSource });
    return <p>{useClient().user}: {watched.state} {watched.status?.progress} {watched.result?.featureId}; {stream.status} {stream.data?.progress}</p>;
  }
  const view = show(<RealtimeProvider client={ann}><Deployment /></RealtimeProvider>);
  await view.text(/^ann: running 25 ; open 25$/);
  await view.text(/^ann: complete 100 login; complete 100$/);
  view.unmount();
});
