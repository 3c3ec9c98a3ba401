import { useCallback, useEffect, useState } from 'react';
import { Desk } from './chat/desk.ts';
import { SignIn } from './session/SignIn.tsx';
import { type Credentials, known, signIn } from './session/session.ts';
import { Shell } from './shell/Shell.tsx';

type Screen = { kind: 'starting' } | { kind: 'sign-in'; first?: { user: string; error: unknown } } | { kind: 'desk'; desk: Desk };

export function App() {
  const [screen, setScreen] = useState<Screen>(() => (known() ? { kind: 'starting' } : { kind: 'sign-in' }));

  const enter = useCallback(async (credentials: Credentials) => {
    const tokens = await signIn(credentials);
    setScreen({ kind: 'desk', desk: new Desk(tokens) });
  }, []);

  useEffect(() => {
    const credentials = known();
    if (credentials) enter(credentials).catch((error: unknown) => setScreen({ kind: 'sign-in', first: { user: credentials.user, error } }));
  }, [enter]);

  switch (screen.kind) {
    case 'starting':
      return null;
    case 'sign-in':
      return <SignIn first={screen.first} onSignIn={enter} />;
    case 'desk':
      return <Shell desk={screen.desk} />;
  }
}
