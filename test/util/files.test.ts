import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { OutputError } from '../../src/util/errors.js';
import { saveFile, writeFileAtomically } from '../../src/util/files.js';

const FILES = resolve(__dirname, '../../src/util/files.ts');

describe('util/files', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qslm-test-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const names = async (): Promise<string[]> => (await readdir(folder)).sort();

  it('writes text and bytes, makes folders, and passes on what the writer returns', async () => {
    await saveFile(join(folder, 'a/b/text'), 'é');
    assert.equal(await readFile(join(folder, 'a/b/text'), 'utf8'), 'é');
    await saveFile(join(folder, 'a/bytes'), Uint8Array.of(0, 255));
    assert.deepEqual([...(await readFile(join(folder, 'a/bytes')))], [0, 255]);
    const result = await writeFileAtomically(join(folder, 'a/c'), async (file) => {
      await file.write('x');
      return 7;
    });
    assert.equal(result, 7);
    assert.deepEqual((await readdir(join(folder, 'a'))).sort(), ['b', 'bytes', 'c']);
  });

  it('shows the old content until the new one is complete', async () => {
    const path = join(folder, 'replaced');
    await saveFile(path, 'old');
    await writeFileAtomically(path, async (file) => {
      await file.write('half');
      assert.equal(await readFile(path, 'utf8'), 'old');
    });
    assert.equal(await readFile(path, 'utf8'), 'half');
  });

  it('keeps the old file, leaves no other, and passes the error on when the writer fails', async () => {
    const path = join(folder, 'kept');
    await saveFile(path, 'old');
    const before = await names();
    const cause = new TypeError('a defect of the writer');
    const failing = writeFileAtomically(path, async (file) => {
      await file.write('half');
      throw cause;
    });
    await assert.rejects(failing, (error) => error === cause);
    assert.equal(await readFile(path, 'utf8'), 'old');
    assert.deepEqual(await names(), before);
  });

  it('says that the disk is full', async function () {
    if (!existsSync('/dev/full')) this.skip();
    const before = await names();
    const failing = writeFileAtomically(join(folder, 'full'), async () => {
      // The kernel's own ENOSPC.
      const full = await open('/dev/full', 'w');
      try {
        await full.write('x');
      } finally {
        await full.close();
      }
    });
    await assert.rejects(failing, (error) => {
      assert.ok(error instanceof OutputError);
      assert.match(error.message, /full: cannot write; got ENOSPC \(no space left on the disk\)/);
      return true;
    });
    assert.deepEqual(await names(), before);
  });

  it('says that a file may not grow further, and removes the half that was written', async function () {
    if (process.platform === 'win32') this.skip();
    // The limit of the shell, 512-byte or 1-kB blocks, holds for the process that writes.
    const path = join(folder, 'limited');
    const code = `require(${JSON.stringify(FILES)}).saveFile(${JSON.stringify(path)}, Buffer.alloc(200000))
      .then(() => console.log('written'), (error) => console.log(error.name, error.message));`;
    const run = promisify(execFile);
    const shell = 'ulimit -f 100; exec "$0" --import tsx -e "$1"';
    const { stdout } = await run('/bin/sh', ['-c', shell, process.execPath, code], {
      env: { ...process.env, TSX_DISABLE_CACHE: '1' },
    });
    assert.match(stdout, /OutputError .*limited: cannot write; got EFBIG \(the file would exceed/);
    assert.deepEqual(
      (await names()).filter((name) => name.startsWith('limited')),
      [],
    );
  });

  it('writes through a link, and to a device without putting a file in its place', async function () {
    if (!existsSync('/dev/null')) this.skip();
    await saveFile(join(folder, 'target'), 'old');
    await symlink('target', join(folder, 'link'));
    await saveFile(join(folder, 'link'), 'new');
    assert.equal(await readFile(join(folder, 'target'), 'utf8'), 'new');
    assert.ok((await lstat(join(folder, 'link'))).isSymbolicLink());

    // A link to the device, so that even a wrong implementation could not replace the device itself.
    await symlink('/dev/null', join(folder, 'device'));
    await saveFile(join(folder, 'device'), 'gone');
    assert.ok((await lstat(join(folder, 'device'))).isSymbolicLink());
    assert.ok((await stat('/dev/null')).isCharacterDevice());
    await symlink('/dev/full', join(folder, 'full-device'));
    await assert.rejects(saveFile(join(folder, 'full-device'), 'x'), /ENOSPC \(no space left/);
  });

  it('removes a file that was being written when the process ended', async () => {
    const path = join(folder, 'ended');
    const code = `require(${JSON.stringify(FILES)}).writeFileAtomically(${JSON.stringify(path)}, async (file) => {
      await file.write('half');
      process.exit(3);
    });`;
    const run = promisify(execFile)(process.execPath, ['--import', 'tsx', '-e', code]);
    await assert.rejects(run, (error: { code?: unknown }) => error.code === 3);
    assert.deepEqual(
      (await names()).filter((name) => name.startsWith('ended')),
      [],
    );
  });

  it('makes no folder where a file system takes none, and does not try for ever', async function () {
    if (!existsSync('/proc/self/stat')) this.skip();
    await assert.rejects(saveFile('/proc/not-there/a/b', ''), OutputError);
  });

  it('says that a part of the path is a file, or the path a folder', async () => {
    await writeFile(join(folder, 'plain'), '');
    await assert.rejects(
      saveFile(join(folder, 'plain/x'), ''),
      /cannot write; got E(NOTDIR|EXIST)/,
    );
    await mkdir(join(folder, 'directory'));
    await assert.rejects(saveFile(join(folder, 'directory'), ''), OutputError);
    assert.deepEqual(
      (await names()).filter((name) => name.includes('.partial')),
      [],
    );
  });
});
