import { createContext, createElement, useContext, useEffect, useState, type ReactNode } from 'react';
import type { Client, ConnectOptions } from '../api.js';
import { connect } from '../client.js';

const Context = createContext<Client | undefined>(undefined);

export type RealtimeProviderProps = { children?: ReactNode } & (
  /** A client whose life is the application's matter. */
  | { client: Client; options?: never; fallback?: never }
  /** A client that lives as long as the provider. Other options later on are not looked at: give the provider another `key`. */
  | { client?: never; options: ConnectOptions; fallback?: ReactNode }
);

export function RealtimeProvider({ client, options, fallback, children }: RealtimeProviderProps): ReactNode {
  if (client) return createElement(Context.Provider, { value: client }, children);
  return createElement(OwnClient, { options: options!, fallback }, children);
}

/** Connects once it is mounted: what is rendered and thrown away must not leave a connection behind. */
function OwnClient({ options, fallback, children }: { options: ConnectOptions; fallback?: ReactNode; children?: ReactNode }): ReactNode {
  const [client, setClient] = useState<Client>();
  useEffect(() => {
    const own = connect(options);
    setClient(own);
    return () => {
      setClient(undefined);
      own.close();
    };
  }, []);
  return client ? createElement(Context.Provider, { value: client }, children) : (fallback ?? null);
}

export function useClient(): Client {
  const client = useContext(Context);
  if (!client) throw new Error('There is no <RealtimeProvider> around this component.');
  return client;
}
