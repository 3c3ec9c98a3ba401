// Usage: patterns.mjs SERVER. Acknowledgements, binary data and request-response, with callbacks as in Socket.IO's own documentation.
import { io } from 'socket.io-client';

const [server] = process.argv.slice(2);
const room = `room-${Date.now()}-${Math.random()}`;
const result = {};

function connect() {
  return new Promise((resolve, reject) => {
    const socket = io(server, { forceNew: true });
    socket.on('connect', () => socket.emit('join:room', room));
    socket.on('room:joined', () => resolve(socket));
    socket.on('connect_error', reject);
  });
}

const socket = await connect();
const other = await connect();

// Acknowledgement, with and without data.
result.request = await new Promise(resolve => socket.emit('request', response => resolve(response)));
result.requestWithData = await new Promise(resolve => socket.emit('request', { some: 'data' }, response => resolve(response)));

// Binary data, to the others in the room.
result.binary = await new Promise(resolve => {
  other.on('binary', data => resolve({ isBuffer: Buffer.isBuffer(data), text: data.toString() }));
  socket.emit('binary', Buffer.from('hello'));
});

// Request and response.
const deploy = data => new Promise(resolve => {
  socket.emit('request:deploy', data, response => {
    resolve(response.success ? { started: response.result } : { failed: response.error });
  });
});
result.deployed = await deploy({ featureId: '1' });
result.notDeployed = await deploy({});

// Whoever comes is told to those who are there; a message has its sender, its text and a date.
result.joined = await new Promise(resolve => {
  socket.on('user:joined', user => resolve(user));
  connect().then(third => { result.third = `guest-${third.id}`; third.close(); });
});
result.message = await new Promise(resolve => {
  other.on('message:new', ({ from, message, timestamp }) => resolve({ from, message, isDate: !Number.isNaN(Date.parse(timestamp)) }));
  socket.emit('message', { roomId: room, message: 'hello' });
});
result.id = `guest-${socket.id}`;

console.log(JSON.stringify(result));
socket.close();
other.close();
