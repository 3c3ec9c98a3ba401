import { createRoot } from 'react-dom/client';
import { App } from './App.tsx';
import './styles/base.css';
import './styles/controls.css';
import './styles/avatar.css';
import './styles/sign-in.css';
import './styles/shell.css';
import './styles/conversation.css';
import './styles/panel.css';
import './styles/tools.css';
import './styles/toasts.css';
import './styles/narrow.css';

createRoot(document.getElementById('root')!).render(<App />);
