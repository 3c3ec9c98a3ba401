import type { Client, Direct, Room } from 'orleans-realtime';
import { encryption, storageKeyStore, type Encryption, type UserKey } from 'orleans-realtime/encryption';
import type { Conversation } from '../chat/conversation.ts';
import { Model } from '../model.ts';
import type { Toasts } from '../notices/toasts.ts';
import { messageOf } from '../ui/text.ts';

/** This device, as others see it. */
export interface Device {
  key: string;
  fingerprint: string;
}

/** Whose keys are which, and the conversations that are encrypted with them. The keys lie in this browser's local storage. */
export class Security extends Model {
  device: Device | null = null;
  /** Nothing is encrypted for a key that nobody has compared, nor accepted from one. */
  verifiedOnly: boolean;
  /** Why the keys could not be read. */
  error: string | null = null;
  #keys = new Map<string, readonly UserKey[]>();
  #client!: Client;
  #encryption!: Encryption;
  #setting: string;

  constructor(user: string, private readonly toasts: Toasts) {
    super();
    this.#setting = `verified-only:${user}`;
    this.verifiedOnly = localStorage.getItem(this.#setting) === 'yes';
  }

  /** Before anything is sent or joined. */
  attach(client: Client): void {
    this.#client = client;
    this.#encryption = encryption(client, { store: storageKeyStore(localStorage), verifiedOnly: this.verifiedOnly });
    this.#encryption.on('keyChanged', ({ user }) => {
      this.toasts.show({ kind: 'info', title: user, text: 'uses another device now. Compare its fingerprint before you trust it.' });
      if (this.#keys.has(user)) void this.load([user]);
    });
    this.#encryption.on('error', (error) => console.warn(error));
  }

  room({ name, encrypted }: Conversation): Room {
    return encrypted ? this.#encryption.room(name) : this.#client.room(name);
  }

  direct({ name, encrypted }: Conversation): Direct {
    return encrypted ? this.#encryption.direct(name) : this.#client.direct(name);
  }

  /** Those that have been loaded. */
  keysOf(user: string): readonly UserKey[] | undefined {
    return this.#keys.get(user);
  }

  async load(users: readonly string[]): Promise<void> {
    try {
      this.device ??= await this.#encryption.device();
      await Promise.all(users.map(async (user) => this.#keys.set(user, await this.#encryption.keys(user))));
      this.error = null;
    } catch (error) {
      this.error = messageOf(error);
    }
    this.flush();
  }

  async verify(user: string, key: string, verified: boolean): Promise<void> {
    await this.#encryption.verify(user, key, verified);
    await this.load([user]);
  }

  /** Takes effect with the next client. */
  setVerifiedOnly(verifiedOnly: boolean): void {
    localStorage.setItem(this.#setting, verifiedOnly ? 'yes' : 'no');
    this.verifiedOnly = verifiedOnly;
    this.flush();
  }
}
