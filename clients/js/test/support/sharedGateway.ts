import type { TestProject } from 'vitest/node';
import { Gateway } from './gateway.js';

declare module 'vitest' {
  interface ProvidedContext {
    gatewayUrl: string;
  }
}

/** One gateway for all tests that do not end it. Its rooms and queues are small, so that they can be filled. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const gateway = await Gateway.start({ 'Realtime:Channels:Rooms:Count': '300', 'Realtime:Gateway:QueueBytes': '200000' });
  provide('gatewayUrl', gateway.url);
  return () => gateway.stop();
}
