import type { Channel } from './channel.js';
import { isPermanent } from './errors.js';
import type { HistoryPage, HistoryQuery, Message } from './messages.js';

const PAGE = 100;

/** Reads what a channel lacks page by page, at one's own pace; a connection would be sent all of it at once, and has a bounded queue. */
export async function catchUp(channel: Channel, read: (query: HistoryQuery) => Promise<HistoryPage>, receive: (message: Message) => void): Promise<void> {
  for (let after = channel.received; after !== undefined; ) {
    const page = await read({ after, limit: PAGE }).catch((error: unknown) => {
      // A room that is refused is told so when it is joined.
      if (isPermanent(error)) return undefined;
      throw error;
    });
    if (!page?.cursor) return;
    if (page.recovered) page.messages.forEach(receive);
    else channel.gap({ reason: 'not_recovered', cursor: page.cursor });
    after = page.more && page.cursor !== after ? page.cursor : undefined;
  }
}
