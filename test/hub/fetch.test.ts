import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { originOf } from '../../src/hub/cache.js';
import { cachedModel, fetchModel } from '../../src/hub/models.js';
import { AbortedError, FetchError, UsageError } from '../../src/util/errors.js';
import { environment, quickPatience, temporaryHome } from './support/home.js';
import { HubServer, type Fault, type ServedRepository } from './support/hub-server.js';

/** Bytes that no part of them stands for another. */
function content(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 2654435761 * (seed + 1)) >>> 13;
  return bytes;
}

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const WEIGHTS = content(400_000, 1);
const MODEL: ServedRepository = {
  kind: 'model',
  name: 'some/model',
  commit: COMMIT,
  files: {
    'README.md': content(50, 2),
    'model.pth': WEIGHTS,
    'tokenizer.json': content(20_000, 3),
    'config.json': content(120, 4),
    'runs/log.txt': content(10, 5),
  },
};
const GATED: ServedRepository = {
  kind: 'model',
  name: 'some/gated',
  commit: COMMIT,
  files: { 'a.safetensors': content(30_000, 6) },
  token: 'hf_secret',
};
const TWO: ServedRepository = {
  kind: 'model',
  name: 'some/two',
  commit: COMMIT,
  files: { 'a.pth': content(100, 7), 'deep/b.pth': content(100, 8), 'x.txt': content(5, 9) },
};

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('hub: fetching a model', () => {
  let hub: HubServer;
  const home = temporaryHome();
  const set = environment();
  before(async () => {
    hub = await HubServer.start([MODEL, GATED, TWO]);
  });
  after(() => hub.stop());
  beforeEach(() => {
    set({ HF_ENDPOINT: hub.endpoint, QSLM_HOME: home.path() });
    hub.seen.length = 0;
    hub.fault = () => undefined;
  });

  const folder = (): string => join(home.path(), 'hub/models/some/model', COMMIT);
  const refusedBy = async (work: Promise<unknown>, pattern: RegExp): Promise<void> => {
    await assert.rejects(work, (error: Error) => {
      assert.ok(error instanceof FetchError, error.stack);
      assert.match(error.message, pattern);
      assert.match(error.message, /; got .*; expected /);
      return true;
    });
  };

  it('brings checkpoint, tokenizer and configuration, with their origins, and nothing else', async () => {
    const found = await fetchModel('some/model');
    assert.equal(found.revision, COMMIT);
    assert.deepEqual(await readFile(found.checkpoint.path), Buffer.from(WEIGHTS));
    const names = (await home.files()).map((name) => name.replace(COMMIT, 'C'));
    assert.deepEqual(names, [
      'hub/models/some/model/.revisions/main.json',
      'hub/models/some/model/C/.fetched/config.json.json',
      'hub/models/some/model/C/.fetched/model.pth.json',
      'hub/models/some/model/C/.fetched/tokenizer.json.json',
      'hub/models/some/model/C/config.json',
      'hub/models/some/model/C/model.pth',
      'hub/models/some/model/C/tokenizer.json',
    ]);
    const origin = await originOf(join(folder(), 'model.pth'));
    assert.deepEqual(
      { ...origin, fetchedAt: '' },
      {
        endpoint: hub.endpoint,
        kind: 'model',
        repository: 'some/model',
        revision: COMMIT,
        path: 'model.pth',
        bytes: WEIGHTS.length,
        digest: { algorithm: 'sha256', hex: sha256(WEIGHTS) },
        fetchedAt: '',
      },
    );
    // A small file has the hash that git gives it.
    assert.equal((await originOf(join(folder(), 'config.json')))?.digest.algorithm, 'git-sha1');
    assert.equal((await cachedModel('some/model'))?.path, found.checkpoint.path);
    assert.equal(
      (await cachedModel(`some/model@${COMMIT.slice(0, 8)}`))?.path,
      found.checkpoint.path,
    );
    assert.equal(await cachedModel('some/model@v1'), undefined);
  });

  it('does not bring again what is there, unless it has changed', async () => {
    await fetchModel('some/model');
    hub.seen.length = 0;
    const again = await fetchModel('some/model');
    assert.deepEqual(
      again.files.map(({ state }) => state),
      ['there', 'there', 'there'],
    );
    assert.equal(hub.downloads('model.pth').length, 0);
    const damaged = Buffer.from(WEIGHTS);
    damaged[777] ^= 1;
    await writeFile(again.checkpoint.path, damaged);
    const mended = await fetchModel('some/model');
    assert.equal(mended.checkpoint.state, 'fetched');
    assert.deepEqual(await readFile(mended.checkpoint.path), Buffer.from(WEIGHTS));
  });

  it('goes on where it was broken off three times, and ends with the right content', async () => {
    let broken = 0;
    hub.fault = ({ path, storage }) => {
      if (!storage || !path.endsWith('model.pth') || broken >= 3) return undefined;
      broken += 1;
      return { breakAfter: 100_000 };
    };
    const patience = quickPatience();
    const notes: string[] = [];
    const { checkpoint } = await fetchModel('some/model', {
      patience,
      onProgress: ({ note }) => note !== undefined && notes.push(note),
    });
    assert.equal(broken, 3);
    assert.equal(sha256(await readFile(checkpoint.path)), sha256(WEIGHTS));
    const starts = hub.downloads('model.pth').map(({ from }) => from);
    assert.equal(starts.length, 4);
    assert.equal(starts[0], 0);
    // Each goes on later than the one before: nothing is fetched twice.
    for (let i = 1; i < 4; i++) assert.ok(starts[i] > starts[i - 1], starts.join(' '));
    // Each got further, so each waits the shortest time.
    assert.deepEqual(patience.waits, [1, 1, 1]);
    assert.match(notes[0], /the connection failed \(UND_ERR_SOCKET.*again in 1 s/);
  });

  /** The file comes to 150,000 bytes, and then no further. */
  const brokenForGood: Fault = ({ path, from, storage }) => {
    if (!storage || !path.endsWith('model.pth')) return undefined;
    return from === 0 ? { breakAfter: 150_000 } : { status: 503 };
  };

  it('goes on where the run before was broken off', async () => {
    hub.fault = brokenForGood;
    await refusedBy(
      fetchModel('some/model', { patience: quickPatience() }),
      /the hub is not well; got 503 Service Unavailable/,
    );
    assert.deepEqual(
      (await home.files()).map((name) => name.split('/').at(-1)),
      ['model.pth.partial'],
    );
    hub.fault = () => undefined;
    hub.seen.length = 0;
    const { checkpoint } = await fetchModel('some/model');
    assert.equal(sha256(await readFile(checkpoint.path)), sha256(WEIGHTS));
    const [{ from }] = hub.downloads('model.pth');
    assert.ok(from > 0 && from <= 150_000, String(from));
  });

  it('begins again where the part that is there is not the beginning of the file', async () => {
    hub.fault = brokenForGood;
    await assert.rejects(fetchModel('some/model', { patience: quickPatience() }));
    const partial = join(folder(), 'model.pth.partial');
    await truncate(partial, 1000);
    await writeFile(partial, content(1000, 99));
    hub.fault = () => undefined;
    const { checkpoint } = await fetchModel('some/model');
    assert.equal(sha256(await readFile(checkpoint.path)), sha256(WEIGHTS));
  });

  it('begins again where the server gives no parts', async () => {
    let broken = false;
    hub.fault = ({ path, from, storage }) => {
      if (!storage || !path.endsWith('model.pth')) return undefined;
      if (!broken) {
        broken = true;
        return { breakAfter: 100_000 };
      }
      return from > 0 ? { ignoreRange: true } : undefined;
    };
    const { checkpoint } = await fetchModel('some/model', { patience: quickPatience() });
    assert.equal(sha256(await readFile(checkpoint.path)), sha256(WEIGHTS));
  });

  it('keeps nothing of a file with a wrong hash', async () => {
    const wrong = content(WEIGHTS.length, 55);
    hub.fault = ({ path }) => (path.endsWith('model.pth') ? { content: wrong } : undefined);
    await refusedBy(
      fetchModel('some/model'),
      new RegExp(
        `some/model: model.pth: what came is not the file that the hub lists; got sha256 ${sha256(wrong)}; expected sha256 ${sha256(WEIGHTS)}`,
      ),
    );
    assert.deepEqual(await home.files(), []);
  });

  it('says what to do about 401, 403, 404 and an unknown revision, and leaves nothing', async () => {
    await refusedBy(fetchModel('some/gated'), /401 Unauthorized without a token; .*HF_TOKEN/);
    set({ HF_TOKEN: 'hf_other' });
    await refusedBy(fetchModel('some/gated'), /401 Unauthorized with the token of HF_TOKEN/);
    await refusedBy(
      fetchModel('no/such'),
      /no\/such: there is no such repository; got 404 Not Found/,
    );
    await refusedBy(
      fetchModel('some/model', { revision: 'nowhere' }),
      /there is no such revision; got 404 Not Found \(RevisionNotFound\)/,
    );
    hub.fault = () => ({ status: 403 });
    await refusedBy(fetchModel('some/model'), /refuses access; got 403 Forbidden .*terms accepted/);
    assert.deepEqual(await home.files(), []);
  });

  it('waits as long as 429 asks, says so, and gives up where that is too long', async () => {
    let asked = 0;
    hub.fault = ({ path }) =>
      path.endsWith('model.pth') && asked++ < 2
        ? { status: 429, headers: { 'retry-after': '7' } }
        : undefined;
    const patience = quickPatience();
    await fetchModel('some/model', { patience });
    assert.deepEqual(patience.waits, [7, 7]);

    hub.fault = () => ({ status: 429, headers: { 'retry-after': '3600' } });
    await refusedBy(
      fetchModel('some/model', { patience }),
      /asked too often; got 429 Too Many Requests; expected the same command again after 3600 s, or HF_TOKEN/,
    );
    assert.equal(patience.waits.length, 2);
    hub.fault = () => ({ status: 429, headers: { 'retry-after': '1' } });
    await refusedBy(fetchModel('some/model', { patience: quickPatience() }), /asked too often/);
  });

  it('sends the token to the hub, and to nobody it redirects to', async () => {
    set({ HF_TOKEN: 'hf_secret' });
    const { checkpoint } = await fetchModel('some/gated');
    assert.equal((await readFile(checkpoint.path)).length, 30_000);
    const of = (storage: boolean): unknown[] => [
      ...new Set(
        hub.seen.filter((each) => each.storage === storage).map((each) => each.authorization),
      ),
    ];
    assert.deepEqual([of(false), of(true)], [['Bearer hf_secret'], [undefined]]);
  });

  it('says that the hub cannot be reached, at once', async () => {
    const gone = await HubServer.start([]);
    const { endpoint } = gone;
    await gone.stop();
    set({ HF_ENDPOINT: endpoint });
    const patience = quickPatience();
    await refusedBy(
      fetchModel('some/model', { patience }),
      /cannot be reached; got ECONNREFUSED \(connection refused\); expected a connection to http/,
    );
    assert.deepEqual(patience.waits, []);
  });

  it('asks nothing of the hub offline', async () => {
    set({ HF_HUB_OFFLINE: '1' });
    await assert.rejects(fetchModel('some/model'), /HF_HUB_OFFLINE is set/);
    assert.deepEqual(hub.seen, []);
  });

  it('refuses settings that are none, without showing the token', async () => {
    set({ HF_ENDPOINT: 'ftp://x' });
    await assert.rejects(fetchModel('some/model'), UsageError);
    set({ HF_ENDPOINT: hub.endpoint, HF_TOKEN: 'secret' });
    await assert.rejects(fetchModel('some/model'), (error: Error) => {
      assert.match(error.message, /HF_TOKEN: no token of the hub/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
    await assert.rejects(fetchModel('nothing'), /no name of a model on the hub/);
  });

  it('asks which of several checkpoints is meant', async () => {
    await assert.rejects(
      fetchModel('some/two'),
      /more than one .*got a.pth, deep\/b.pth; .*`file`/,
    );
    const { checkpoint, tokenizer } = await fetchModel('some/two', { file: 'deep/b.pth' });
    assert.ok(checkpoint.path.endsWith(join('deep', 'b.pth')));
    assert.equal(tokenizer, undefined);
    await fetchModel('some/two', { file: 'a.pth' });
    await assert.rejects(cachedModel('some/two'), /more than one checkpoint of it was fetched/);
    await refusedBy(fetchModel('some/two', { file: 'c.pth' }), /no such file in the repository/);
  });

  it('stops on request, and keeps what came for the next time', async () => {
    const abort = new AbortController();
    let release = (): void => undefined;
    hub.fault = ({ path, from, storage }) => {
      if (!storage || !path.endsWith('model.pth')) return undefined;
      if (from === 0) return { breakAfter: 200_000 };
      setImmediate(() => abort.abort());
      return { hold: new Promise((resolve) => (release = resolve)) };
    };
    await assert.rejects(
      fetchModel('some/model', { patience: quickPatience(), signal: abort.signal }),
      AbortedError,
    );
    release();
    assert.deepEqual(
      (await home.files()).map((name) => name.split('/').at(-1)),
      ['model.pth.partial'],
    );
  });
});
