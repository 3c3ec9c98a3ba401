// The chat of a React application, on nothing but socket.io-client: no token, no cursor, no code of this project's.
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { io } from 'socket.io-client';

function ChatRoom({ server, roomId }) {
  const [messages, setMessages] = useState([]);
  const [socket, setSocket] = useState(null);
  const [joined, setJoined] = useState(false);

  useEffect(() => {
    const connection = io(server, {
      reconnection: true,
      reconnectionDelay: 100,
      reconnectionDelayMax: 500,
      reconnectionAttempts: 100,
    });
    connection.on('connect', () => connection.emit('join:room', roomId));
    connection.on('room:joined', () => setJoined(true));
    connection.on('disconnect', () => setJoined(false));
    connection.on('message:new', data => setMessages(earlier => [...earlier, data]));
    setSocket(connection);
    return () => connection.close();
  }, [server, roomId]);

  const send = event => {
    if (event.key === 'Enter') {
      socket?.emit('message', { roomId, message: event.currentTarget.value });
      event.currentTarget.value = '';
    }
  };

  return (
    <main data-state={joined ? 'joined' : 'away'}>
      {messages.map(({ from, message, timestamp }, i) => <div className="message" key={i} title={`${from} ${new Date(timestamp).toISOString()}`}>{message}</div>)}
      <input onKeyDown={send} />
    </main>
  );
}

const query = new URLSearchParams(location.search);
createRoot(document.getElementById('root')).render(<ChatRoom server={query.get('server')} roomId={query.get('room')} />);
