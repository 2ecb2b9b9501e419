import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors/write.js';
import type { TensorInfo } from '../../src/checkpoint/types.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import { openDescribed } from '../../src/model/structure.js';
import { exportPlan } from '../../src/quant/packed/export.js';
import {
  encodePackedHeader,
  parsePackedHeader,
  type PackedHeader,
} from '../../src/quant/packed/format.js';
import { formatPlan } from '../../src/quant/plan-json.js';
import { planId, resolvePlan, uniformPlan, type Plan } from '../../src/quant/plan.js';
import { perGroup } from '../../src/quant/scheme/granularity.js';
import { createScheme } from '../../src/quant/scheme/scheme.js';
import { QslmError } from '../../src/util/errors.js';
import { sha256 } from '../../src/util/hash.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { hierarchyOfTensors } from '../support/spikegpt.js';
import { memoryCheckpoint, spikeGptShapes } from './support.js';

/** A stored tensor whose bytes a test may change. */
type Stored = Omit<TensorInfo, 'bytes'> & { bytes: Uint8Array };

/** The content of a packed file. Whoever makes one can make its checksums too. */
interface Content {
  readonly tensors: Map<string, Stored>;
  header: PackedHeader;
}

const KEY = 'blocks.1.ffn.key.weight';

describe('quant: packed files that lie', () => {
  const at = temporaryFolder();
  const model = memoryCheckpoint(spikeGptShapes(23, 12, 2), { embedding: 'spike' });
  const hierarchy = hierarchyOfTensors(model.tensors.values());
  const scheme = createScheme({ bits: 3, granularity: perGroup(5) });
  const planOf = (bits: number): Plan => uniformPlan(bits, () => ({ ...scheme, bits }));
  let honest: string;
  before(async () => {
    await startBackend('wasm');
    honest = at('honest.safetensors');
    await exportPlan(model, hierarchy, resolvePlan(planOf(3), hierarchy), honest);
  });

  /** Writes the honest file with a change, and all checksums anew. */
  async function lying(change: (content: Content) => void): Promise<string> {
    const file = await openCheckpoint(honest);
    const tensors = new Map<string, Stored>();
    for (const info of file.tensors.values())
      tensors.set(info.name, { ...info, bytes: await file.readBytes(info.name) });
    const header = parsePackedHeader(file.metadata, [...file.tensors.values()], honest);
    await file.close();
    const content: Content = { tensors, header };
    change(content);
    const list = [...tensors.values()];
    const sums = new Map(list.map(({ name, bytes }) => [name, sha256(bytes)]));
    const metadata = encodePackedHeader({ ...content.header, sha256: sums }, list);
    const path = at('lie.safetensors');
    const written = list.map(({ bytes, ...info }) => ({
      ...info,
      bytes: () => Promise.resolve(bytes),
    }));
    await writeSafetensors(path, written, metadata);
    return path;
  }

  async function load(path: string): Promise<LoadedModel> {
    const opened = await openDescribed(path);
    try {
      return await LoadedModel.load(opened.checkpoint, opened, { packed: true });
    } finally {
      await opened.checkpoint.close();
    }
  }

  async function refused(message: RegExp, change: (content: Content) => void): Promise<void> {
    const path = await lying(change);
    const tensors = tf.memory().numTensors;
    await assert.rejects(
      load(path),
      (error) => {
        assert.ok(error instanceof QslmError, String(error));
        assert.ok(error.message.includes(path), error.message);
        assert.match(error.message, message);
        return true;
      },
      String(message),
    );
    assert.equal(tf.memory().numTensors, tensors);
  }

  const bytesOf = ({ tensors }: Content, name: string): DataView => {
    const { buffer, byteOffset, byteLength } = tensors.get(name)!.bytes;
    return new DataView(buffer, byteOffset, byteLength);
  };
  const resize = ({ tensors }: Content, name: string, by: number): void => {
    const { bytes, ...info } = tensors.get(name)!;
    const changed = new Uint8Array(bytes.length + by);
    changed.set(bytes.subarray(0, changed.length));
    const size = info.dtype === 'uint8' ? 1 : 4;
    tensors.set(name, { ...info, shape: [changed.length / size], bytes: changed });
  };

  it('are refused by the name of the tensor', async () => {
    const zeros = `${KEY}.zero_points`;
    await refused(/ffn\.key\.weight": a zero point .* got 4 in group 7/, (content) => {
      bytesOf(content, zeros).setInt32(28, 4, true);
    });
    await refused(/ffn\.key\.weight": a zero point .* got -2147483648/, (content) => {
      bytesOf(content, zeros).setInt32(0, -(2 ** 31), true);
    });
    for (const scale of [NaN, Infinity, -3e38])
      await refused(/ffn\.key\.weight": a scale is not finite/, (content) => {
        bytesOf(content, `${KEY}.scales`).setFloat32(8, scale, true);
      });
    await refused(
      /key\.weight\.integers": wrong size .* got 215 bytes; expected 216/,
      (content) => {
        resize(content, `${KEY}.integers`, -1);
      },
    );
    await refused(/key\.weight\.scales": wrong size/, (content) => {
      resize(content, `${KEY}.scales`, 4);
    });
    await refused(/zero_points/, ({ tensors }) => tensors.delete(zeros));
    await refused(/misshapen blocks\.1\.ffn\.key\.weight/, (content) => {
      const shapes = new Map(content.header.shapes).set(KEY, [2 ** 40, 12]);
      content.header = { ...content.header, shapes };
    });
    await refused(/integers": wrong size for the plan/, (content) => {
      const plan = planOf(8);
      const id = planId(resolvePlan(plan, hierarchy));
      content.header = { ...content.header, plan: formatPlan(plan), planId: id };
    });
    await refused(/the plan is not the one/, (content) => {
      content.header = { ...content.header, plan: formatPlan(planOf(8)) };
    });
    await refused(/emb\.weight": bits after the last value are set/, (content) => {
      // 828 bits: four of the last byte belong to no value.
      const view = bytesOf(content, 'emb.weight.integers');
      view.setUint8(view.byteLength - 1, view.getUint8(view.byteLength - 1) | 0x10);
    });
    await refused(/ln_out\.bias.*finite/, (content) => {
      bytesOf(content, 'ln_out.bias').setFloat32(4, NaN, true);
    });
  });

  it('are refused or computed with, whatever bytes are changed', async () => {
    const ids = Int32Array.from({ length: 8 }, (_, index) => (5 * index) % 23);
    const stored = await openCheckpoint(honest);
    const names = [...stored.tensors.keys()];
    await stored.close();
    const changes = fc.array(fc.tuple(fc.constantFrom(...names), fc.nat(), fc.nat(255)), {
      minLength: 1,
      maxLength: 3,
    });
    const check = fc.asyncProperty(changes, async (list) => {
      const path = await lying((content) => {
        for (const [name, place, value] of list) {
          const view = bytesOf(content, name);
          view.setUint8(place % view.byteLength, value);
        }
      });
      let loaded: LoadedModel;
      try {
        loaded = await load(path);
      } catch (error) {
        assert.ok(error instanceof QslmError && error.message.includes(path), String(error));
        return;
      }
      // What is taken is what float32 takes it for.
      const { checkpoint, description } = await openDescribed(path);
      const plain = await LoadedModel.load(checkpoint, { description });
      await checkpoint.close();
      const tokens = { ids, batch: 1, time: 8 };
      assert.deepEqual(await loaded.tokenNll(tokens, ids), await plain.tokenNll(tokens, ids));
      loaded.dispose();
      plain.dispose();
    });
    await fc.assert(check, { numRuns: 25 });
  });
});
