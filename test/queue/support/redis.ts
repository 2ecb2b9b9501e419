import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

/** True where there is a server to start. */
export async function hasRedis(): Promise<boolean> {
  return promisify(execFile)('redis-server', ['--version']).then(
    () => true,
    () => false,
  );
}

/**
 * A server for the tests of a `describe`, and its password in this process's environment; where none is installed
 * they are skipped.
 */
export function withRedis(settings: readonly string[] = []): () => TestRedis {
  let redis: TestRedis | undefined;
  before(async function () {
    if (!(await hasRedis())) {
      for (const test of this.currentTest?.parent?.tests ?? [])
        test.title = `${test.title} (skipped: redis-server is missing)`;
      this.skip();
    }
    redis = await TestRedis.start(settings);
    process.env['QSLM_QUEUE_PASSWORD'] = redis.password;
  });
  after(async () => {
    delete process.env['QSLM_QUEUE_PASSWORD'];
    await redis?.remove();
  });
  return () => redis!;
}

/** A Redis of a test's own: a random port of the loopback, a random password, an append-only file. */
export class TestRedis {
  readonly password = randomBytes(12).toString('hex');
  private process: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly settings: readonly string[],
    private readonly isTls: boolean,
  ) {}

  /** @param isTls where it listens for TLS alone, with certificates in the settings */
  static async start(settings: readonly string[] = [], isTls = false): Promise<TestRedis> {
    const folder = await mkdtemp(join(tmpdir(), 'qslm-redis-'));
    const redis = new TestRedis(await freePort(), folder, settings, isTls);
    await redis.up();
    return redis;
  }

  get url(): string {
    return this.urlAt('127.0.0.1');
  }

  /** Where it listens on another address too. */
  urlAt(address: string): string {
    return `redis://${address}:${this.port}`;
  }

  /** For processes that shall reach it. */
  get environment(): Record<string, string> {
    return { QSLM_QUEUE_PASSWORD: this.password };
  }

  /** Starts it on its data; returns once it answers. */
  async up(): Promise<void> {
    const fit = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''];
    const port = this.isTls
      ? ['--port', '0', '--tls-port', String(this.port)]
      : ['--port', String(this.port)];
    const place = [...port, '--bind', '127.0.0.1', '--dir', this.folder];
    const all = [...place, ...fit, '--requirepass', this.password, ...this.settings];
    this.process = spawn('redis-server', all, { stdio: 'ignore' });
    while (!(await answers(this.port))) {
      if (this.process.exitCode !== null) throw new Error('redis-server does not start');
      await pause(20);
    }
  }

  /** Ends it by a signal, and waits until it is gone. */
  async down(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const { process } = this;
    if (process?.exitCode !== null || process.signalCode !== null) return;
    const gone = once(process, 'exit');
    process.kill(signal);
    await gone;
  }

  async remove(): Promise<void> {
    await this.down('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}
