import { useState } from 'react';
import type { Desk } from '../chat/desk.ts';
import { useModel } from '../model.ts';
import { messageOf } from '../ui/text.ts';
import { useSubmit } from '../ui/useSubmit.ts';
import type { Deployment } from './deployments.ts';

export function DeploymentsTool({ desk }: { desk: Desk }) {
  const { list } = useModel(desk.deployments);
  return (
    <div className="tool scrolls">
      <div className="tool-inner">
        <Start desk={desk} />
        {list.length === 0 && <p className="none">Deployments and their progress will stand here.</p>}
        {list.map((deployment) => <Card key={deployment.id} desk={desk} deployment={deployment} />)}
      </div>
    </div>
  );
}

function Start({ desk }: { desk: Desk }) {
  const { error, submit } = useSubmit((fields) =>
    desk.deployments.start({ feature: String(fields.get('feature')).trim(), fail: fields.get('fail') === 'on', cancelWhenUnwatched: fields.get('unwatched') === 'on' }));

  return (
    <form className="box" autoComplete="off" onSubmit={submit}>
      <h2>Deploy a feature</h2>
      <p className="muted">A job on the server, followed over its event stream. It goes on when this page is closed or the connection lost.</p>
      <div className="row">
        <label className="field"><span>Feature</span><input name="feature" data-testid="deploy-feature" required maxLength={100} autoCapitalize="none" spellCheck={false} placeholder="checkout-2.4" /></label>
        <button className="primary" data-testid="deploy-button">Deploy</button>
      </div>
      <label className="check"><input type="checkbox" name="unwatched" data-testid="deploy-unwatched" /><span>Cancel it when nobody follows it any more</span></label>
      <label className="check"><input type="checkbox" name="fail" data-testid="deploy-fail" /><span>Let it fail on the way, to see what that looks like</span></label>
      {error && <p className="error" role="alert">{error}</p>}
    </form>
  );
}

const STATUS = { running: 'running', completed: 'completed', failed: 'failed', cancelled: 'cancelled', gone: 'no longer known' } as const;
const TONES = { running: 'accent', completed: 'good', failed: 'bad', cancelled: '', gone: '' } as const;

function Card({ desk, deployment: { id, feature, status, lost, progress, message } }: { desk: Desk; deployment: Deployment }) {
  const [cancelling, setCancelling] = useState(false);
  const cancel = async () => {
    setCancelling(true);
    try {
      await desk.deployments.cancel(id);
    } catch (problem) {
      desk.toasts.error(`The deployment was not cancelled: ${messageOf(problem)}`);
    }
    setCancelling(false);
  };

  return (
    <article className={`job ${status}`} data-testid="deployment" data-status={status} data-progress={progress} data-connection={lost ? 'lost' : 'live'}>
      <header>
        <strong>{feature}</strong>
        <span className="id">{id.slice(0, 8)}</span>
        <span className={`chip ${lost ? 'warn' : TONES[status]}`} role="status">{lost ? 'connection lost' : STATUS[status]}</span>
      </header>
      <div className="bar">
        <progress max="100" value={progress} aria-label={`Progress of ${feature}`} />
        <output>{progress} %</output>
      </div>
      <div className="foot">
        <p className={status === 'failed' ? 'error' : 'muted'} data-testid="deployment-message">
          {lost ? 'The deployment goes on. Its progress follows once the connection is back.' : message ?? 'starting'}
        </p>
        {status === 'running' && !lost && <button type="button" className="secondary danger" data-testid="cancel-deployment" disabled={cancelling} onClick={() => void cancel()}>Cancel</button>}
      </div>
    </article>
  );
}
