import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ALL_ACCELERATIONS } from '../../src/experiment/scoring/options.js';
import { fetchBlob, type Blob } from '../../src/hub/blob.js';
import { FileServer } from '../../src/queue/files/file-server.js';
import { handOutSettings } from '../../src/queue/files/settings.js';
import { openQueue } from '../../src/queue/open-queue.js';
import { FetchError, UsageError } from '../../src/util/errors.js';
import { sha256 } from '../../src/util/hash.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { pathOf, search } from '../experiment/accelerations-support.js';
import { environment, quickPatience, temporaryHome } from '../hub/support/home.js';
import { selfSigned } from './support/certificate.js';
import { wrongBlob } from './support/odd-cases.js';
import { toyPlace } from './support/place.js';
import { withRedis } from './support/redis.js';
import { Relay } from './support/relay.js';
import { WorkerProcess } from './support/worker.js';

const CONTENT = randomBytes(2_000_000);
const BLOB: Blob = { sha256: sha256(CONTENT), bytes: CONTENT.length, name: 'some.safetensors' };

describe('files by hash', function () {
  this.timeout(60_000);
  const at = temporaryFolder();
  const home = temporaryHome();
  const set = environment();
  let certificate: string;
  let ca: string;
  let server: FileServer;
  const closed: { close(): Promise<void> }[] = [];

  before(async () => {
    const made = await selfSigned(at('.'));
    ({ certificate } = made);
    ca = await readFile(certificate, 'utf8');
    const tls = { QSLM_QUEUE_CERT: certificate, QSLM_QUEUE_KEY: made.key };
    server = await FileServer.open(handOutSettings('https://localhost:0', false, tls));
  });
  after(() => server.close());
  beforeEach(async () => {
    set({ QSLM_HOME: home.path() });
    await writeFile(at('file'), CONTENT);
    server.offer({ ...BLOB, path: at('file') });
  });
  afterEach(() => Promise.all(closed.splice(0).map((each) => each.close())));

  const port = (): number => Number(new URL(server.url).port);
  const place = () => ({ url: server.url, token: server.token, ca });
  const refused = (promise: Promise<unknown>, expected: RegExp): Promise<void> =>
    assert.rejects(promise, (error) => {
      assert.ok(error instanceof FetchError, String(error));
      assert.match(error.message, expected);
      return true;
    });

  it('come over HTTPS into the cache, once', async () => {
    const relay = await Relay.open(port(), []);
    closed.push(relay);
    const through = { ...place(), url: `https://localhost:${relay.port}` };
    const path = await fetchBlob(through, BLOB);
    assert.equal(path, join(home.path(), 'blobs', BLOB.sha256));
    assert.ok((await readFile(path)).equals(CONTENT));
    assert.equal(await fetchBlob(through, BLOB), path);
    assert.equal(relay.connections, 1);
  });

  it('go on where they were broken off, also for the next who asks', async () => {
    const relay = await Relay.open(port(), [700_000, 700_000]);
    closed.push(relay);
    const through = { ...place(), url: `https://localhost:${relay.port}` };
    const once = { ...quickPatience(), attempts: 1 };
    await refused(fetchBlob(through, BLOB, { patience: once }), /some\.safetensors.*broken off/);
    assert.deepEqual(await readdir(join(home.path(), 'blobs')), [`${BLOB.sha256}.partial`]);
    const path = await fetchBlob(through, BLOB, { patience: quickPatience() });
    assert.ok((await readFile(path)).equals(CONTENT));
    assert.equal(relay.connections, 3);
    // From the beginning each time it would be 3.4 MB.
    assert.ok(relay.bytes < 2_600_000, `${relay.bytes} bytes`);
    assert.deepEqual(await home.files(), [`blobs/${BLOB.sha256}`]);
  });

  it('come to two at once', async () => {
    const found = await Promise.all([fetchBlob(place(), BLOB), fetchBlob(place(), BLOB)]);
    for (const path of found) assert.ok((await readFile(path)).equals(CONTENT));
    assert.deepEqual(await home.files(), [`blobs/${BLOB.sha256}`]);
  });

  it('are refused with other bytes, of which nothing is kept', async () => {
    const wrong = Buffer.from(CONTENT);
    wrong[1_234_567] ^= 1;
    await writeFile(at('file'), wrong);
    await refused(
      fetchBlob(place(), BLOB),
      new RegExp(
        `some.safetensors: what came is not the file that the session names; got sha256 ${sha256(wrong)}; expected sha256 ${BLOB.sha256}`,
      ),
    );
    assert.deepEqual(await home.files(), []);
  });

  it('are given to nobody with another token, and nothing else is given', async () => {
    for (const token of ['', 'x', server.token.replace(/.$/, 'g')])
      await refused(fetchBlob({ ...place(), token }, BLOB), /the token is not taken; got 401/);
    const other = { ...BLOB, sha256: 'a'.repeat(64) };
    await refused(fetchBlob(place(), other), /not handed out; got 404/);
  });

  it('are taken from nobody with an unknown certificate', () =>
    refused(
      fetchBlob({ ...place(), ca: undefined }, BLOB, { patience: quickPatience() }),
      /certificate is not to be trusted; got DEPTH_ZERO_SELF_SIGNED_CERT/,
    ));

  it('cross the network unencrypted only where that is asked for', () => {
    for (const url of ['http://cluster:80', 'http://10.0.0.1', 'ftp://h', 'https://u:p@h', 'h'])
      assert.throws(() => handOutSettings(url, false, {}), UsageError, url);
    assert.throws(() => handOutSettings('https://cluster', false, {}), /QSLM_QUEUE_CERT/);
    assert.equal(handOutSettings('http://127.0.0.1:0', false, {}).loopback, true);
    assert.equal(handOutSettings('http://cluster:81', true, {}).port, 81);
  });
});

describe('a worker without the model', function () {
  this.timeout(120_000);
  const redis = withRedis();
  const at = temporaryFolder();

  it('gets it from the coordinator; another one beside it too', async () => {
    const place = { redis: redis(), ...(await toyPlace(at('.'), 'perplexity')) };
    await mkdir(at('none'));
    const { certificate, key } = await selfSigned(at('.'));
    const more = { QSLM_HOME: at('home'), QSLM_QUEUE_CA: certificate };
    const workers = await Promise.all(
      [0, 1].map(() =>
        WorkerProcess.start(redis().url, at('none'), { ...redis().environment, ...more }),
      ),
    );
    Object.assign(process.env, { QSLM_QUEUE_CERT: certificate, QSLM_QUEUE_KEY: key });
    try {
      const { openPool } = openQueue(redis().url, { handOut: { url: 'https://localhost:0' } });
      const ways = { ...ALL_ACCELERATIONS, memo: false, verdicts: false };
      const outcome = await search(place.path, place.task, ways, { openPool });
      assert.deepEqual(pathOf(outcome, true), pathOf(place.plain, true));
      for (const { said } of workers) {
        assert.match(said, /perplexity\.safetensors is in the cache/);
        assert.match(said, /seat \d of session/);
      }
      const [blob, ...others] = await readdir(at('home/blobs'));
      assert.equal(blob, sha256(await readFile(place.path)));
      assert.deepEqual(others, []);
    } finally {
      Reflect.deleteProperty(process.env, 'QSLM_QUEUE_CERT');
      Reflect.deleteProperty(process.env, 'QSLM_QUEUE_KEY');
      await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    }
  });

  it('refuses another file by name, stays up, and takes the right one next time', async () => {
    await wrongBlob({ redis: redis(), ...(await toyPlace(at('.'), 'perplexity')) });
  });
});
