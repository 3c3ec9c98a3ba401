// Rooms over two processes, as the documentation of @socket.io/redis-adapter shows it. PORT and REDIS (host:port) are in the environment.
const http = require('node:http');
const { createAdapter } = require('@socket.io/redis-adapter');
const { createClient } = require('redis');
const { Server } = require('socket.io');

const backlog = 4096;

async function main() {
  const publisher = createClient({ url: `redis://${process.env.REDIS}` });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);

  const server = http.createServer((request, response) => response.end('ready'));
  const io = new Server(server, { adapter: createAdapter(publisher, subscriber) });
  io.on('connection', (socket) => {
    socket.on('join', (room, done) => {
      socket.join(room);
      done();
    });
    socket.on('send', (room, text) => io.to(room).emit('message', text));
  });
  server.listen(Number(process.env.PORT), '127.0.0.1', backlog);
}

main();
