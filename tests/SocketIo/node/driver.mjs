// Many socket.io-client sockets in one process, driven by JSON lines: a request {id, op, socket, ...} on stdin is answered by
// {id, result} or {id, error} on stdout, and what a socket sees is written as {socket, event, args}. Names that begin with @ are the
// client's own events. Binary data is {"$bytes": "base64"} in both directions.
import { createInterface } from 'node:readline';
import { io } from 'socket.io-client';

const sockets = new Map();

const operations = {
  /** `sharedWith`: another socket, whose connection this one uses for a namespace of its own. `gated`: CONNECT waits for `release`. */
  open({ socket: name, url, namespace, options = {}, auth, gated, pid, offset, sharedWith }) {
    const entry = { auth, answers: new Map(), gate: gated ? newGate() : undefined };
    const authenticate = gated
      ? answer => entry.gate.opened.then(() => answer(entry.auth ?? {}))
      : auth;
    const socket = sharedWith
      ? sockets.get(sharedWith).socket.io.socket(namespace, { auth: authenticate })
      : io(url + namespace, { ...options, auth: authenticate, forceNew: true, autoConnect: false });
    entry.socket = socket;
    sockets.set(name, entry);
    if (pid !== undefined) {
      // What a page that was loaded anew would have kept of its socket.
      socket._pid = pid;
      socket._lastOffset = offset;
    }

    watch(name, entry);
    socket.connect();
  },

  emit: ({ socket, event, args, timeout }) => new Promise((resolve, reject) => {
    const target = find(socket).socket;
    const sent = args.map(toBytes);
    if (timeout === undefined) {
      target.emit(event, ...sent);
      resolve();
    } else {
      target.timeout(timeout).emit(event, ...sent, (error, ...answer) => error ? reject(error) : resolve(answer.map(fromBytes)));
    }
  }),

  /** From now on the server's event gets this acknowledgement. */
  answer({ socket, event, args }) {
    find(socket).answers.set(event, args.map(toBytes));
  },

  auth({ socket, auth }) {
    const entry = find(socket);
    entry.auth = auth;
    if (!entry.gate) {
      entry.socket.auth = auth;
    }
  },

  hold({ socket }) {
    find(socket).gate = newGate();
  },

  release({ socket }) {
    find(socket).gate.open();
  },

  connect({ socket }) {
    find(socket).socket.connect();
  },

  disconnect({ socket }) {
    find(socket).socket.disconnect();
  },

  /** The connection below it is gone, which is not the socket's wish. */
  cut({ socket }) {
    find(socket).socket.io.engine.close();
  },

  state: ({ socket }) => stateOf(find(socket).socket),

  close({ socket: name }) {
    const entry = sockets.get(name);
    sockets.delete(name);
    entry?.socket.offAny();
    entry?.socket.disconnect();
  },
};

function watch(name, entry) {
  const { socket } = entry;
  const tell = (event, ...args) => write({ socket: name, event, args });
  socket.onAny((event, ...args) => {
    const answer = typeof args.at(-1) === 'function' ? args.pop() : undefined;
    write({ socket: name, event, args: args.map(fromBytes), wantsAnswer: answer !== undefined });
    if (answer && entry.answers.has(event)) {
      answer(...entry.answers.get(event));
    }
  });
  socket.on('connect', () => tell('@connect', stateOf(socket)));
  socket.on('connect_error', error => tell('@connect_error', { message: error.message, data: error.data, active: socket.active }));
  socket.on('disconnect', reason => tell('@disconnect', reason));
  socket.io.on('reconnect_attempt', attempt => tell('@reconnect_attempt', attempt));
  socket.io.on('reconnect_failed', () => tell('@reconnect_failed'));
  socket.io.on('open', () => tell('@open'));
  const followUpgrades = () => socket.io.engine.on('upgrade', transport => tell('@upgrade', transport.name));
  socket.io.on('open', followUpgrades);
}

function stateOf(socket) {
  return {
    id: socket.id,
    pid: socket._pid,
    offset: socket._lastOffset,
    connected: socket.connected,
    active: socket.active,
    recovered: socket.recovered === true,
    transport: socket.io.engine?.transport?.name,
    connection: socket.io.engine?.id,
  };
}

function newGate() {
  let open;
  const opened = new Promise(resolve => { open = resolve; });
  return { open, opened };
}

function find(name) {
  const entry = sockets.get(name);
  if (!entry) {
    throw new Error(`There is no socket '${name}'.`);
  }

  return entry;
}

function fromBytes(value) {
  if (value instanceof Uint8Array || value instanceof ArrayBuffer) {
    return { $bytes: Buffer.from(value).toString('base64') };
  }

  return mapped(value, fromBytes);
}

function toBytes(value) {
  return typeof value?.$bytes === 'string' ? Buffer.from(value.$bytes, 'base64') : mapped(value, toBytes);
}

function mapped(value, map) {
  if (Array.isArray(value)) {
    return value.map(map);
  }

  return value !== null && typeof value === 'object'
    ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, map(each)]))
    : value;
}

function write(line) {
  process.stdout.write(JSON.stringify(line) + '\n');
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  Promise.resolve()
    .then(() => operations[request.op](request))
    .then(result => write({ id: request.id, result }), error => write({ id: request.id, error: `${error.message ?? error}` }));
}

process.exit(0);
