import type { Tool } from '../chat/desk.ts';
import type { IconName } from '../ui/icons.tsx';

export const TOOL_NAMES: Record<Tool, { title: string; subtitle: string; icon: IconName }> = {
  deployments: { title: 'Deployments', subtitle: 'Long work with live progress', icon: 'rocket' },
  topics: { title: 'Topics', subtitle: 'Publish and subscribe', icon: 'broadcast' },
  requests: { title: 'Requests', subtitle: 'Ask a user and wait for the answer', icon: 'question' },
  notices: { title: 'Announcements', subtitle: 'From administrators to everybody', icon: 'bell' },
};
