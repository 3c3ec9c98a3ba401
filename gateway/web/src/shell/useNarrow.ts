import { useSyncExternalStore } from 'react';

/** Whether the window matches a media query, also after it has been resized. */
export function useNarrow(query: string): boolean {
  return useSyncExternalStore(
    (changed) => {
      const list = matchMedia(query);
      list.addEventListener('change', changed);
      return () => list.removeEventListener('change', changed);
    },
    () => matchMedia(query).matches,
  );
}
