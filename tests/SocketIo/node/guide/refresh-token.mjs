// Usage: refresh-token.mjs SERVER USER. Connects with a token that is no good any more, and renews it as applications do.
import { io } from 'socket.io-client';

const [server, user] = process.argv.slice(2);
const storage = new Map([['token', 'an old one']]);

async function refreshToken() {
  const answer = await fetch(`${server}/dev/token?user=${user}`);
  return (await answer.json()).token;
}

const socket = io(server, { auth: { token: storage.get('token') } });
const seen = [];

socket.on('connect_error', async error => {
  seen.push(error.message);
  if (error.message === 'Authentication failed') {
    const token = await refreshToken();
    storage.set('token', token);
    socket.auth.token = token;
    socket.connect();
  }
});

socket.on('connect', () => {
  seen.push('connected');
  socket.emit('join:room', `room-of-${user}`);
  socket.emit('message', { roomId: `room-of-${user}`, message: 'who am I?' });
});

socket.on('message:new', ({ from }) => {
  console.log(JSON.stringify([...seen, from]));
  socket.close();
});
