// Rooms, over several processes as the documentation of @socket.io/redis-adapter shows it. PORT is in the environment, and REDIS (host:port) where there are several.
const http = require('node:http');
const { createAdapter } = require('@socket.io/redis-adapter');
const { createClient } = require('redis');
const { Server } = require('socket.io');

const backlog = 4096;

async function main() {
  const server = http.createServer((request, response) => response.end('ready'));
  const io = new Server(server);
  if (process.env.REDIS) {
    const publisher = createClient({ url: `redis://${process.env.REDIS}` });
    const subscriber = publisher.duplicate();
    await Promise.all([publisher.connect(), subscriber.connect()]);
    io.adapter(createAdapter(publisher, subscriber));
  }

  io.on('connection', (socket) => {
    socket.on('join:room', (room, done) => {
      socket.join(room);
      done();
    });
    socket.on('message', (room, text) => io.to(room).emit('message', text));
  });
  server.listen(Number(process.env.PORT), '127.0.0.1', backlog);
}

main();
