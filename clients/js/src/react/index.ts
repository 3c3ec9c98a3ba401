export { useConnectionState } from './connection.js';
export { RealtimeProvider, useClient, type RealtimeProviderProps } from './context.js';
export { useDirect, usePresence, useRoom } from './conversations.js';
export { useJob, type JobView } from './job.js';
export { useSSE, type SSEError, type SSEOptions, type SSEView } from './sse.js';
