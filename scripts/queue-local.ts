import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { packagePath } from '../src/util/paths.js';

/*
 * Starts a Redis that is fit for a queue, for trying: `npm run queue:local`. It listens on the loopback alone, has
 * a random port and password, an append-only file and no eviction; Ctrl-C ends it. Its data stays in out/queue/.
 */

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

async function main(): Promise<void> {
  const folder = packagePath('out', 'queue');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const [port, password] = [await freePort(), randomBytes(18).toString('hex')];
  const [settings, secret] = [resolve(folder, 'redis.conf'), resolve(folder, 'password')];
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `requirepass ${password}`,
    'appendonly yes',
    'appendfsync everysec',
    'save ""',
    'maxmemory-policy noeviction',
  ];
  // In files that only this user reads: arguments are seen by everyone.
  await writeFile(settings, `${lines.join('\n')}\n`, { mode: 0o600 });
  await writeFile(secret, `${password}\n`, { mode: 0o600 });
  const server = spawn('redis-server', [settings], { stdio: ['ignore', 'ignore', 'inherit'] });
  server.on('error', () => {
    console.error('redis-server is missing: install it (Debian: apt-get install redis-server)');
    process.exitCode = 1;
  });
  server.on('spawn', () => {
    console.log(`A queue for trying, until Ctrl-C. In other terminals:

  export QSLM_QUEUE_PASSWORD_FILE=${secret}
  qslm worker --queue redis://127.0.0.1:${port} --models data/models --threads 1
  qslm search spikegpt-mini-sst2 --queue redis://127.0.0.1:${port}
  qslm queue status --queue redis://127.0.0.1:${port}`);
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => server.kill(signal));
  server.on('exit', (code) => {
    process.exitCode = code ?? 0;
  });
}

void main();
