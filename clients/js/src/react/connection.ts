import { useEffect, useState } from 'react';
import type { ConnectionInfo } from '../api.js';
import { useClient } from './context.js';

/** The connection's state, and what is known about it: the attempt, when the next one is, the error. */
export function useConnectionState(): ConnectionInfo {
  const client = useClient();
  const [info, setInfo] = useState(() => client.info);
  useEffect(() => {
    setInfo(client.info);
    return client.on('info', setInfo);
  }, [client]);
  return info;
}
