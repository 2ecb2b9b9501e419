import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Hands bytes on between who connects and a port of this machine, and can break connections off. */
export class Relay {
  /** Bytes that came back from the port, in all. */
  bytes = 0;
  connections = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  /** @param breaks bytes from the port after which the first, the second, … connection is broken off */
  static async open(to: number, breaks: readonly number[]): Promise<Relay> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const relay = new Relay(server, (server.address() as AddressInfo).port);
    server.on('connection', (socket) => {
      relay.pass(socket, connect(to, '127.0.0.1'), breaks[relay.connections++] ?? Infinity);
    });
    return relay;
  }

  private pass(near: Socket, far: Socket, most: number): void {
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    let passed = 0;
    for (const socket of [near, far]) {
      this.sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    near.on('data', (data) => far.write(data));
    far.on('data', (data) => {
      passed += data.length;
      this.bytes += data.length;
      if (passed > most) end();
      else near.write(data);
    });
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}
