import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { isIP, type AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { QueueError } from '../../util/errors.js';
import { systemReason } from '../../util/system-errors.js';
import type { HandOut } from './settings.js';

/** A file that is handed out. */
export interface Offered {
  readonly sha256: string;
  readonly path: string;
  readonly bytes: number;
}

/**
 * Hands out files by their SHA-256 at `/blobs/<sha256>`, from any byte on, to who has the token; those that were
 * offered, and nothing else.
 */
export class FileServer {
  /** Whoever can read the session has it. */
  readonly token = randomBytes(32).toString('hex');
  private readonly offered = new Map<string, Offered>();

  private constructor(
    private readonly server: Server,
    /** Without a slash at its end. */
    readonly url: string,
  ) {
    server.on('request', (request, response) => {
      // A reader that goes away is its own affair; so is a file that ends early: its hash will tell.
      this.answer(request, response).catch(() => response.destroy());
    });
  }

  /** @throws {QueueError} for an address that cannot be listened on, or a certificate that is none. */
  static async open({ host, port, loopback, tls }: HandOut): Promise<FileServer> {
    try {
      const server = tls ? createTlsServer(tls) : createServer();
      // A name may be of an address outside of this machine: then it listens on all that there are.
      server.listen(port, loopback || isIP(host) !== 0 ? host : undefined);
      await once(server, 'listening');
      const { port: bound } = server.address() as AddressInfo; // It listens on a port, not on a path.
      const name = isIP(host) === 6 ? `[${host}]` : host;
      return new FileServer(server, `${tls ? 'https' : 'http'}://${name}:${bound}`);
    } catch (error) {
      const [what, where] = ['files cannot be handed out', `${host}:${port}`];
      const expected = 'an address of this machine whose port is free, a certificate and its key';
      throw new QueueError({ what, where, got: systemReason(error), expected }, { cause: error });
    }
  }

  offer(file: Offered): void {
    this.offered.set(file.sha256, file);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const end = (status: number, headers: Record<string, string> = {}): void => {
      response.writeHead(status, headers).end();
    };
    if (!this.isAllowed(request)) {
      end(401, { 'www-authenticate': 'Bearer' });
      return;
    }
    const wanted = /^\/blobs\/([0-9a-f]{64})$/.exec(request.url ?? '')?.[1];
    const file = wanted === undefined ? undefined : this.offered.get(wanted);
    if (request.method !== 'GET' || file === undefined) {
      end(404);
      return;
    }
    const { path, bytes } = file;
    const { range } = request.headers;
    const from = range === undefined ? 0 : Number(/^bytes=(\d{1,15})-$/.exec(range)?.[1] ?? NaN);
    if (!(from < bytes || (from === 0 && bytes === 0))) {
      end(416, { 'content-range': `bytes */${bytes}` });
      return;
    }
    const handle = await open(path).catch(() => undefined);
    if (handle === undefined) {
      end(404);
      return;
    }
    try {
      response.writeHead(range === undefined ? 200 : 206, {
        'content-type': 'application/octet-stream',
        'content-length': String(bytes - from),
        ...(range !== undefined && { 'content-range': `bytes ${from}-${bytes - 1}/${bytes}` }),
      });
      const stream = handle.createReadStream({ start: from, end: bytes - 1, autoClose: false });
      await pipeline(stream, response);
    } finally {
      await handle.close();
    }
  }

  private isAllowed({ headers: { authorization = '' } }: IncomingMessage): boolean {
    const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
    return timingSafeEqual(hash(authorization), hash(`Bearer ${this.token}`));
  }

  /** Ends it, whatever is under way. */
  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}
