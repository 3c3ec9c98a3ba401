// As many as there are classes in styles/avatar.css. Colours are classes since the content security policy allows no inline styles.
const HUES = 12;

/** A user's initial on a colour that is the same everywhere. The name always stands beside it. */
export function Avatar({ user, large = false }: { user: string; large?: boolean }) {
  return (
    <span className={`avatar hue-${hueOf(user)}${large ? ' large' : ''}`} aria-hidden="true">
      {[...user][0]?.toUpperCase() ?? '?'}
    </span>
  );
}

function hueOf(user: string): number {
  let hash = 2_166_136_261; // FNV-1a
  for (const character of user) hash = Math.imul(hash ^ character.codePointAt(0)!, 16_777_619) >>> 0;
  return (hash >>> 16) % HUES; // The low bits of short names are alike.
}
