// Usage: job.mjs SERVER. Starts a deployment by Socket.IO and watches it with an EventSource, as the guide's pages do; then one that cannot be.
import { EventSource } from 'eventsource';
import { io } from 'socket.io-client';

const [server] = process.argv.slice(2);
const socket = io(server);

const started = await new Promise((resolve, reject) => {
  socket.emit('request:deploy', { featureId: '1' }, response => response.success ? resolve(response.result) : reject(new Error(response.error)));
});

const updates = [];
const result = await new Promise((resolve, reject) => {
  const eventSource = new EventSource(server + started.events);

  eventSource.addEventListener('message', event => {
    updates.push(JSON.parse(event.data));
  });

  eventSource.addEventListener('error', event => {
    // With data it is the job's, which has failed; without it is the connection's, and an EventSource comes back by itself.
    if (event.data !== undefined) {
      reject(new Error(event.data));
    }
  });

  eventSource.addEventListener('complete', event => {
    resolve(JSON.parse(event.data));
    eventSource.close();
  });
});

console.log(JSON.stringify({ started, updates, result }));
socket.close();
