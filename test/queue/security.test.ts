import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { Redis } from 'ioredis';
import { NO_ACCELERATIONS } from '../../src/experiment/scoring/options.js';
import { openQueue } from '../../src/queue/open-queue.js';
import { queueAddress } from '../../src/queue/redis/address.js';
import { queueStatus } from '../../src/queue/status.js';
import { QueueError, UsageError } from '../../src/util/errors.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { pathOf, search } from '../experiment/accelerations-support.js';
import { selfSigned } from './support/certificate.js';
import { toyPlace } from './support/place.js';
import { hasRedis, TestRedis } from './support/redis.js';
import { WorkerProcess } from './support/worker.js';

describe('the address of a queue', () => {
  const at = temporaryFolder();
  it('has host, port, database, user, and TLS', () => {
    const { host, port, db, username, tls, text } = queueAddress('rediss://ann@cluster:7000/2', {});
    assert.deepEqual([host, port, db, username], ['cluster', 7000, 2, 'ann']);
    assert.equal(tls?.servername, 'cluster');
    assert.equal(text, 'rediss://cluster:7000/2');
    assert.deepEqual(queueAddress('redis://[::1]', {}).host, '::1');
    assert.deepEqual(queueAddress('redis://localhost', {}).port, 6379);
  });

  it('takes the password from the environment alone, and repeats none that is typed', () => {
    assert.equal(queueAddress('redis://h', { QSLM_QUEUE_PASSWORD: 'p' }).password, 'p');
    for (const url of ['redis://:hunter2@h', 'redis://u:hunter2@h:1/0', 'rediss://u:hunter2@h'])
      assert.throws(
        () => queueAddress(url, {}),
        (error) => error instanceof UsageError && !/hunter2/.test(error.message),
      );
    assert.throws(
      () => queueAddress('http://u:hunter2@h', {}),
      (error) => error instanceof UsageError && !/hunter2/.test(error.message),
    );
    for (const url of ['', 'redis', 'redis://', 'redis://h/x', 'redis://h?a=b'])
      assert.throws(() => queueAddress(url, {}), UsageError, url);
  });

  it('takes it from a file too', async () => {
    await writeFile(at('password'), 'from a file\n');
    const environment = { QSLM_QUEUE_PASSWORD_FILE: at('password') };
    assert.equal(queueAddress('redis://h', environment).password, 'from a file');
    assert.throws(
      () => queueAddress('redis://h', { QSLM_QUEUE_PASSWORD_FILE: at('none') }),
      UsageError,
    );
  });
});

describe('a server of a queue', function () {
  this.timeout(120_000);
  const at = temporaryFolder();
  const servers: TestRedis[] = [];
  const workers: WorkerProcess[] = [];
  before(async function () {
    if (!(await hasRedis())) this.skip();
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.end()));
    await Promise.all(servers.splice(0).map((server) => server.remove()));
    delete process.env['QSLM_QUEUE_PASSWORD'];
    delete process.env['QSLM_QUEUE_CA'];
  });
  const start = async (settings: readonly string[], isTls = false): Promise<TestRedis> => {
    const server = await TestRedis.start(settings, isTls);
    servers.push(server);
    process.env['QSLM_QUEUE_PASSWORD'] = server.password;
    return server;
  };

  it('is refused where it would lose work', async () => {
    for (const [settings, fault] of [
      [['--appendonly', 'no'], /no append-only file/],
      [['--maxmemory-policy', 'allkeys-lru'], /eviction by allkeys-lru/],
    ] as const) {
      const { url } = await start(settings);
      await assert.rejects(queueStatus(url), fault);
    }
  });

  it('is refused with another password, and where there is none', async () => {
    const { url } = await start([]);
    process.env['QSLM_QUEUE_PASSWORD'] = 'another';
    await assert.rejects(queueStatus(url), (error) => {
      assert.ok(error instanceof QueueError);
      assert.match(error.message, /cannot be reached.*QSLM_QUEUE_PASSWORD/);
      return true;
    });
    await assert.rejects(queueStatus('redis://127.0.0.1:1'), QueueError);
  });

  it('is spoken to over TLS, as a user who may touch nothing else', async () => {
    const { certificate, key } = await selfSigned(at('.'));
    const allowed = '~qslm:* &qslm:* +@all -@admin -@dangerous +info'.split(' ');
    const server = await start(
      [
        ...['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-auth-clients', 'no'],
        ...['--user', 'qslm', 'on', '>limited', ...allowed],
      ],
      true,
    );
    const url = `rediss://qslm@localhost:${server.port}`;
    process.env['QSLM_QUEUE_PASSWORD'] = 'limited';
    await assert.rejects(queueStatus(url), /self-signed/);
    process.env['QSLM_QUEUE_CA'] = certificate;
    const place = await toyPlace(at('.'), 'perplexity');
    const environment = { QSLM_QUEUE_PASSWORD: 'limited', QSLM_QUEUE_CA: certificate };
    workers.push(await WorkerProcess.start(url, at('.'), environment));
    const { openPool } = openQueue(url);
    const ways = { ...NO_ACCELERATIONS };
    const outcome = await search(place.path, place.task, ways, { openPool });
    assert.deepEqual(pathOf(outcome, true), pathOf(place.plain, true));
    const ca = await readFile(certificate, 'utf8');
    const user = { username: 'qslm', password: 'limited' };
    const client = new Redis({ host: 'localhost', port: server.port, ...user, tls: { ca } });
    try {
      await assert.rejects(client.set('other', '1'), /NOPERM/);
      await assert.rejects(client.flushall(), /NOPERM/);
    } finally {
      client.disconnect();
    }
  });
});
