import type { Client, Direct, Room } from '../api.js';
import { EncryptionCodec } from './codec.js';
import type { UserKey } from './directory.js';
import type { EncryptionEvents } from './events.js';
import { fingerprint } from './fingerprint.js';
import { type KeyStore, memoryKeyStore } from './keyStore.js';

export type { UserKey } from './directory.js';
export type { EncryptionEvents } from './events.js';
export { fingerprint } from './fingerprint.js';
export { type KeyStore, memoryKeyStore, storageKeyStore } from './keyStore.js';
export type { RefusalCode } from './refusal.js';

export interface EncryptionOptions {
  /** Where keys are kept; memory only if absent, so that every page is a new device. */
  store?: KeyStore;
  /** Neither encrypts for keys that have not been verified, nor accepts what comes from them. */
  verifiedOnly?: boolean;
  /** Milliseconds for which a message waits for the key of its room; default 10,000. */
  keyTimeout?: number;
  /** Milliseconds between two attempts to ask the members of a room for a key; default 2,000. */
  askAgain?: number;
}

export interface Encryption {
  /** A room whose messages are encrypted; plain ones in it are refused. */
  room<T = unknown>(name: string): Room<T>;
  /** The same for a conversation. */
  direct<T = unknown>(user: string): Direct<T>;
  /** This device: its public key, and the fingerprint for others to compare. */
  device(): Promise<{ user: string; key: string; fingerprint: string }>;
  /** What the server lists of a user now, the newest first, and what this client remembers beside. */
  keys(user: string): Promise<UserKey[]>;
  /** Of the user's key, or of the newest one; of this device where it is oneself. Undefined for a user without keys. */
  fingerprint(user: string, key?: string): Promise<string | undefined>;
  /** The fingerprint has been compared over another channel; or that is taken back. */
  verify(user: string, key: string, verified?: boolean): Promise<void>;
  on<E extends keyof EncryptionEvents>(event: E, handler: EncryptionEvents[E]): () => void;
}

/** End-to-end encryption, as docs/encryption.md has it. To be called before anything is sent or joined; once for each client. */
export function encryption(client: Client, options: EncryptionOptions = {}): Encryption {
  const codec = new EncryptionCodec({
    store: options.store ?? memoryKeyStore(),
    verifiedOnly: options.verifiedOnly ?? false,
    wait: options.keyTimeout ?? 10_000,
    askAgain: options.askAgain ?? 2_000,
  });
  client.use(codec);

  return {
    room<T>(name: string) {
      const room = client.room(name, { encrypted: true }) as Room<T>;
      codec.declare(name);
      return room;
    },
    direct: <T>(user: string) => client.direct(user, { encrypted: true }) as Direct<T>,
    async device() {
      const { user, device } = await codec.identity();
      return { user, key: device.name, fingerprint: fingerprint(user, device.name) };
    },
    async keys(user) {
      return (await codec.identity()).directory.keys(user);
    },
    async fingerprint(user, key) {
      const { user: own, device, directory } = await codec.identity();
      const of = key ?? (user === own ? device.name : (await directory.current(user))[0]);
      return of === undefined ? undefined : fingerprint(user, of);
    },
    async verify(user, key, verified = true) {
      await (await codec.identity()).directory.verify(user, key, verified);
    },
    on: (event, handler) => codec.events.on(event, handler),
  };
}
