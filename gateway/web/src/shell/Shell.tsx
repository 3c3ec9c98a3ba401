import { RealtimeProvider } from 'orleans-realtime/react';
import { useCallback, useEffect, useState } from 'react';
import { flushSync } from 'react-dom';
import { label } from '../chat/conversation.ts';
import { ConversationView } from '../chat/ConversationView.tsx';
import type { Desk } from '../chat/desk.ts';
import { Members } from '../chat/Members.tsx';
import { Followers } from '../deployments/Followers.tsx';
import { DeploymentsTool } from '../deployments/DeploymentsTool.tsx';
import { SecurityPanel } from '../encryption/SecurityPanel.tsx';
import { Inspector } from '../inspector/Inspector.tsx';
import { useModel } from '../model.ts';
import { NoticesTool } from '../notices/NoticesTool.tsx';
import { ToastList } from '../notices/ToastList.tsx';
import { AskedDialog } from '../requests/AskedDialog.tsx';
import { RequestsTool } from '../requests/RequestsTool.tsx';
import { TopicsTool } from '../topics/TopicsTool.tsx';
import { Banner } from './Banner.tsx';
import { Navigation } from './Navigation.tsx';
import { TopBar } from './TopBar.tsx';
import { useNarrow } from './useNarrow.ts';

/** What the side panel shows; null where it is closed. */
export type Panel = 'members' | 'security' | 'inspector' | null;

export function Shell({ desk }: { desk: Desk }) {
  useModel(desk);
  const { open, unread } = useModel(desk.conversations);
  const drawers = useNarrow('(max-width: 1060px)');
  const narrow = useNarrow('(max-width: 760px)');
  const [panel, setPanel] = useState<Panel>(drawers ? null : 'members');
  const [navOpen, setNavOpen] = useState(false);
  // Members and keys are of a conversation.
  const shown = panel === 'inspector' || (panel === 'members' && open?.kind === 'room') || (panel === 'security' && open) ? panel : null;

  // The focus goes back to where it came from, which is out of reach until the drawer has gone.
  const closeNav = useCallback(() => {
    flushSync(() => setNavOpen(false));
    document.querySelector<HTMLElement>('.menu')?.focus();
  }, []);
  const closePanel = useCallback(() => {
    const opener = document.querySelector<HTMLElement>('.top [aria-controls=panel][aria-expanded=true]');
    flushSync(() => setPanel(null));
    opener?.focus();
  }, []);

  useEffect(() => {
    if (drawers) setPanel(null);
  }, [drawers]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || event.defaultPrevented) return;
      if (navOpen) closeNav();
      else if (shown && (drawers || document.getElementById('panel')?.contains(document.activeElement))) closePanel();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [navOpen, shown, drawers, closeNav, closePanel]);

  const title = open ? label(open) : null;
  useEffect(() => {
    document.title = `${unread ? `(${unread}) ` : ''}${title ? `${title} · ` : ''}OrleansRealtime`;
  }, [unread, title]);

  const behindNav = narrow && navOpen;
  const behindPanel = drawers && shown !== null;

  return (
    <RealtimeProvider client={desk.client}>
      <a className="skip" href="#main">Skip to the conversation</a>
      <div className="shell">
        <Navigation desk={desk} opened={navOpen} inert={behindPanel} onClose={closeNav} onChosen={() => setNavOpen(false)} />
        <TopBar desk={desk} panel={shown} navOpen={navOpen} inert={behindNav || behindPanel} onPanel={setPanel} onMenu={() => setNavOpen(true)} />
        <main className="main" id="main" tabIndex={-1} inert={behindNav || behindPanel}>
          <Banner />
          {desk.tool === 'deployments' && <DeploymentsTool desk={desk} />}
          {desk.tool === 'topics' && <TopicsTool topics={desk.topics} />}
          {desk.tool === 'requests' && <RequestsTool desk={desk} />}
          {desk.tool === 'notices' && <NoticesTool desk={desk} />}
          {!desk.tool && <ConversationView key={open?.id} desk={desk} conversation={open} />}
        </main>
        {shown === 'members' && open && <Members desk={desk} conversation={open} drawer={drawers} onClose={closePanel} />}
        {shown === 'security' && open && <SecurityPanel desk={desk} conversation={open} drawer={drawers} onClose={closePanel} />}
        {shown === 'inspector' && <Inspector desk={desk} drawer={drawers} onClose={closePanel} />}
        {behindNav && <div className="backdrop for-nav" onClick={closeNav} />}
        {behindPanel && <div className="backdrop for-panel" onClick={closePanel} />}
      </div>
      <Followers desk={desk} />
      <AskedDialog requests={desk.requests} />
      <ToastList toasts={desk.toasts} />
    </RealtimeProvider>
  );
}
