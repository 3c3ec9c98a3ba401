import { useConnectionState } from 'orleans-realtime/react';
import { useEffect } from 'react';
import type { Desk } from '../chat/desk.ts';
import { useModel } from '../model.ts';
import { useCountdown } from '../shell/Banner.tsx';
import { PanelFrame } from '../shell/PanelFrame.tsx';
import { TRANSPORTS, type TransportName } from '../session/session.ts';
import { withSeconds } from '../ui/text.ts';
import { LatencyChart } from './LatencyChart.tsx';

export function Inspector({ desk, drawer, onClose }: { desk: Desk; drawer: boolean; onClose: () => void }) {
  useModel(desk);
  useModel(desk.conversations);
  const { samples } = useModel(desk.latency);
  useEffect(() => desk.latency.watch(), [desk]);
  const { state, transport, attempt, retryAt, error, reconnects, connectedAt } = useConnectionState();
  const { cursors } = desk.client.info; // They move with each message, of which the connection says nothing.
  const seconds = useCountdown(retryAt);
  const { expiresAt } = desk.tokens;

  return (
    <PanelFrame title="Connection" kind="inspector" drawer={drawer} onClose={onClose}>
      <div className="content scrolls">
        <section className="section">
          <dl className="facts" data-testid="inspector-facts">
            <dt>State</dt><dd data-testid="inspect-state">{state}</dd>
            <dt>Transport</dt><dd data-testid="inspect-transport">{TRANSPORTS[transport as TransportName] ?? transport}</dd>
            <dt>Connected since</dt><dd>{state === 'connected' && connectedAt ? withSeconds(connectedAt) : '–'}</dd>
            <dt>Reconnects</dt><dd data-testid="inspect-reconnects">{desk.reconnectsBefore + reconnects}</dd>
            <dt>Attempt</dt><dd>{attempt || '–'}</dd>
            <dt>Next attempt</dt><dd>{state === 'reconnecting' && seconds ? `in ${seconds} s` : '–'}</dd>
            <dt>Outbox</dt><dd data-testid="inspect-outbox">{desk.client.outbox.size === 0 ? 'empty' : `${desk.client.outbox.size} waiting`}</dd>
            <dt>Token until</dt><dd data-testid="inspect-token" data-expires={expiresAt}>{Number.isFinite(expiresAt) ? withSeconds(new Date(expiresAt)) : 'no end'}</dd>
          </dl>
          {error && state !== 'connected' && <p className="error">{error.message}</p>}
          <div className="actions">
            <button type="button" className="secondary" data-testid="reconnect-button" onClick={() => desk.client.reconnect()}>Reconnect now</button>
          </div>
        </section>
        <section className="section" aria-labelledby="latency-title">
          <h3 id="latency-title">Round trip</h3>
          <LatencyChart samples={samples} />
        </section>
        <section className="section">
          <Cursors cursors={cursors} />
        </section>
      </div>
    </PanelFrame>
  );
}

function Cursors({ cursors }: { cursors: Record<string, string> }) {
  const channels = Object.entries(cursors).sort(([a], [b]) => a.localeCompare(b));
  if (channels.length === 0) return <><h3>Cursors</h3><p className="muted">None yet.</p></>;
  return (
    <table className="cursors">
      <caption><h3>Cursors</h3></caption>
      <tbody>
        {channels.map(([channel, cursor]) => {
          const colon = cursor.lastIndexOf(':');
          return (
            <tr key={channel} data-testid="cursor" data-channel={channel} data-cursor={cursor}>
              <th scope="row">{channel}</th>
              <td title={cursor}>{cursor.slice(0, 6)}…:<b>{cursor.slice(colon + 1)}</b></td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
