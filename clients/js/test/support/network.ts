import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What lies between a client and a gateway, and can be cut. */
export class Network {
  readonly #server: Server;
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  readonly #servers = new Set<Socket>();
  #up = true;
  /** Requests whose first bytes match are not let through. */
  #blocked: RegExp | undefined;
  #dropped: { pattern: RegExp; resolve: () => void } | undefined;
  #paused = false;
  connections = 0;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async to(target: string): Promise<Network> {
    const network = new Network(target);
    await new Promise<void>((resolve) => network.#server.listen(0, '127.0.0.1', resolve));
    return network;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** All connections break, and new ones are refused. */
  cut(): void {
    this.#up = false;
    this.breakAll();
  }

  breakAll(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  /** Nothing is read from the gateway any more, so that what it sends piles up there. */
  pause(): void {
    this.#paused = true;
    for (const socket of this.#servers) socket.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const socket of this.#servers) socket.resume();
  }

  restore(): void {
    this.#up = true;
  }

  /** Connections whose first request matches are broken. */
  block(pattern: RegExp): void {
    this.#blocked = pattern;
  }

  /** Lets the client's bytes that match through, and breaks all connections before the server's answer is. Resolves then. */
  cutAfter(pattern: RegExp): Promise<void> {
    return new Promise((resolve) => (this.#dropped = { pattern, resolve }));
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    client.on('error', () => {});
    if (!this.#up) return void client.destroy();
    this.connections++;
    const server = connect({ host: this.#target.hostname, port: Number(this.#target.port) });
    server.on('error', () => client.destroy());
    for (const socket of [client, server]) this.#sockets.add(socket);
    this.#servers.add(server);
    if (this.#paused) server.pause();
    client.on('close', () => server.destroy());
    server.on('close', () => {
      this.#servers.delete(server);
      client.end();
    });
    const sent = new Sent();
    let deaf = false;
    client.on('data', (bytes) => {
      if (this.#blocked?.test(bytes.toString('latin1'))) return void client.destroy();
      server.write(bytes);
      const text = sent.textOf(bytes);
      if (!this.#dropped?.pattern.test(text)) return;
      deaf = true;
      const { resolve } = this.#dropped;
      this.#dropped = undefined;
      // What follows from the server is its answer.
      server.once('data', () => {
        this.cut();
        resolve();
      });
    });
    server.on('data', (bytes) => {
      if (!deaf) client.write(bytes);
    });
  }
}

/** Reads what one client sends, in pieces of any size: HTTP as it is, and by WebSocket frames, which are masked (RFC 6455, 5.2 and 5.3). */
class Sent {
  #upgraded = false;
  #rest: Buffer = Buffer.alloc(0);

  /** The text of the frames that are complete with these bytes. */
  textOf(bytes: Buffer): string {
    if (!this.#upgraded) {
      const text = bytes.toString('latin1');
      // Frames follow the server's answer, so they are never in the same piece.
      this.#upgraded = /\r\nupgrade: websocket\r\n/i.test(text);
      return text;
    }
    this.#rest = Buffer.concat([this.#rest, bytes]);
    let text = '';
    for (let frame = this.#frame(); frame; frame = this.#frame()) text += frame.toString('latin1');
    return text;
  }

  #frame(): Buffer | undefined {
    const bytes = this.#rest;
    if (bytes.length < 2) return undefined;
    const short = bytes[1]! & 0x7f;
    const maskAt = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (bytes.length < maskAt + 4) return undefined;
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
    const end = maskAt + 4 + length;
    if (bytes.length < end) return undefined;
    this.#rest = bytes.subarray(end);
    return bytes.subarray(maskAt + 4, end).map((byte, index) => byte ^ bytes[maskAt + (index % 4)]!) as Buffer;
  }
}
