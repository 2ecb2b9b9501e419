import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { CheckpointError } from '../../src/util/errors.js';
import { longKey } from '../../src/util/json-text.js';
import {
  floats,
  little,
  pickle,
  safetensors,
  torchLegacy,
  torchZip,
  zip,
} from './support/builders.js';
import { temporaryFolder } from './support/temporary.js';

/** As many strings of one length as asked for, equal but for their ends: the engine gives them one hash. */
function colliding(count: number, length: number): string[] {
  return Array.from({ length: count }, (_, index) => String(index).padStart(length, 'x'));
}

/** From this length on the engine hashes a string by its length. */
const LONG = 16_384;

describe('checkpoint: names', () => {
  const at = temporaryFolder();

  async function refused(bytes: Uint8Array, message: RegExp): Promise<void> {
    await writeFile(at('names'), bytes);
    await assert.rejects(
      openCheckpoint(at('names')).then((checkpoint) => checkpoint.close()),
      (error) => {
        assert.ok(error instanceof CheckpointError, String(error));
        assert.match(error.message, message);
        return true;
      },
    );
  }

  /** Without this bound: 38 seconds. */
  it('of a dictionary are short, before they are looked up half a million times', () => {
    const keys = colliding(120, LONG).flatMap((key, index) => [
      ...pickle.text(key),
      ...[0x71, index], // BINPUT
      0x30, // POP
    ]);
    const sets = Array.from({ length: 500_000 }, (_, index) => [0x68, index % 120, 0x4e, 0x73]);
    const bytes = Buffer.concat([Buffer.from([0x80, 2, 0x7d]), Buffer.from(keys)]);
    const whole = Buffer.concat([bytes, Buffer.from(sets.flat()), Buffer.from([0x2e])]);
    assert.ok(whole.length < 4 * 1024 * 1024);
    return refused(torchZip(whole), /a key of a dictionary is too long; expected at most 1024/);
  });

  /** Six thousand of them took 80 seconds. */
  it('of zip entries are short, before there is a table of them', () =>
    refused(
      zip(colliding(20, LONG).map((name) => ({ name, bytes: new Uint8Array(0) }))),
      /name of a zip entry is too long; got 16384 characters, "xxx.*expected at most 1024/,
    ));

  it('of storages are short', async () => {
    const view = { elements: 1, shape: [1], strides: [1], key: 'k'.repeat(1025) };
    const data = pickle.of(pickle.dict({ a: pickle.tensor(view) }));
    await refused(torchZip(data), /key of a storage is too long; got 1025 characters/);
  });

  it('of a safetensors header are short, before it is parsed', () => {
    const entry = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}';
    const names = colliding(200, LONG).map((name) => `"${name}":${entry}`);
    return refused(safetensors(`{${names.join(',')}}`), /header: a name is too long; got byte 1;/);
  });

  it('stand for one storage of one type', async () => {
    const view = { elements: 2, shape: [2], strides: [1] };
    // The same storage as float32 and, in as many bytes, as int32: PyTorch takes the first for both.
    const asInt32 = Buffer.from(
      Buffer.from(pickle.tensor(view)).toString('latin1').replace('FloatStorage', 'IntStorage'),
      'latin1',
    );
    const both = pickle.of(pickle.dict({ a: pickle.tensor(view), b: [...asInt32] }));
    const message = /storage 0 is described in two ways; got 2 of int32; expected 2 of float32/;
    await refused(torchZip(both, floats(1, 2)), message);
    await refused(torchLegacy(both, ['0'], [...little(2, 8), ...floats(1, 2)]), message);
    const longer = pickle.tensor({ ...view, elements: 1, shape: [1] });
    await refused(
      torchZip(pickle.of(pickle.dict({ a: pickle.tensor(view), b: longer })), floats(1, 2)),
      /described in two ways; got 1 of float32; expected 2 of float32/,
    );
  });

  it('are told from other strings of JSON', () => {
    const bytes = (text: string): Uint8Array => Buffer.from(text);
    const long = 'k'.repeat(11);
    assert.equal(longKey(bytes(`{"a":"${long}","${long.slice(1)}":1}`), 10), undefined);
    assert.equal(longKey(bytes(`{"a":"${long}","${long}" \n:1}`), 10), 19);
    assert.equal(longKey(bytes(String.raw`{"a\"":"\\","bb\\\"${long}":1}`), 10), 12);
    assert.equal(longKey(bytes(`["${long}", "${long}"]`), 10), undefined);
    for (const cut of ['', '{"', `{"${long}`, `{"${long}\\"`, `{"${long}"`])
      assert.equal(longKey(bytes(cut), 10), undefined);
  });
});
