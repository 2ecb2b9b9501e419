import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { Checkpoint } from '../../src/checkpoint/types.js';
import { unitPaths, type Hierarchy } from '../../src/layout/hierarchy.js';
import { openDescribed } from '../../src/model/structure.js';
import { exportPlan } from '../../src/quant/packed/export.js';
import { openPacked as openPackedAs, type PackedCheckpoint } from '../../src/quant/packed/read.js';
import {
  planId,
  resolvePlan,
  uniformPlan,
  type Plan,
  type ResolvedPlan,
} from '../../src/quant/plan.js';
import { fakeQuantize } from '../../src/quant/quantizer/quantize.js';
import { PER_CHANNEL, perGroup } from '../../src/quant/scheme/granularity.js';
import {
  affineMinMax,
  createScheme,
  paperMinMax,
  SIGN,
  UNQUANTIZED,
  type Scheme,
} from '../../src/quant/scheme/scheme.js';
import { AbortedError, CheckpointError } from '../../src/util/errors.js';
import { itShared } from '../support/shared.js';
import { hierarchyOfTensors, wholeHierarchyOfTensors } from '../support/spikegpt.js';
import { memoryCheckpoint, spikeGptShapes } from './support.js';

/** Every width that the issue asks for, and every method, granularity and range. */
const SCHEMES: readonly Scheme[] = [
  affineMinMax(2),
  createScheme({ bits: 3, granularity: PER_CHANNEL }),
  createScheme({ bits: 4, method: 'symmetric', granularity: perGroup(5) }),
  paperMinMax(5),
  createScheme({ bits: 6, range: { kind: 'mse' } }),
  createScheme({ bits: 8, method: 'symmetric', range: { kind: 'percentile', percentile: 99 } }),
  affineMinMax(12),
  UNQUANTIZED,
  createScheme({ bits: 16, granularity: perGroup(8) }),
  affineMinMax(1),
];

function hierarchyOf({ tensors }: Pick<Checkpoint, 'tensors'>): Hierarchy {
  return hierarchyOfTensors(tensors.values());
}

function openPacked(path: string): Promise<PackedCheckpoint> {
  return openPackedAs(path, hierarchyOf);
}

function mixedPlan(checkpoint: Checkpoint): ResolvedPlan {
  const hierarchy = hierarchyOf(checkpoint);
  const plan: Plan = new Map(
    unitPaths(hierarchy, 'matrix').map((path, i) => [
      path,
      i === 0 ? SIGN : SCHEMES[i % SCHEMES.length],
    ]),
  );
  return resolvePlan(plan, hierarchy);
}

/** What the file must give back: simulated where the plan says so, else the values as they are. */
async function expectedValues(
  checkpoint: Checkpoint,
  plan: ResolvedPlan,
  name: string,
): Promise<Uint8Array> {
  const values = await checkpoint.readFloat32(name);
  const { shape } = checkpoint.tensors.get(name)!;
  const scheme = plan.get(name) ?? UNQUANTIZED;
  return new Uint8Array(fakeQuantize(values, shape, scheme, name).buffer);
}

async function assertSame(
  checkpoint: Checkpoint,
  plan: ResolvedPlan,
  reloaded: Checkpoint,
): Promise<void> {
  for (const [name, { shape }] of reloaded.tensors) {
    assert.deepEqual(shape, checkpoint.tensors.get(name)!.shape, name);
    const expected = await expectedValues(checkpoint, plan, name);
    assert.ok(Buffer.from(expected).equals(await reloaded.readBytes(name)), name);
  }
}

async function headerBytes(path: string): Promise<number> {
  return 8 + Number((await readFile(path)).readBigUInt64LE(0));
}

describe('quant: export', () => {
  const checkpoint = memoryCheckpoint(spikeGptShapes(23, 12, 3, { classes: 2 }), {
    embedding: 'spike',
    'qslm.plan': 'of another file',
  });
  const hierarchy = hierarchyOf(checkpoint);
  let folder: string;
  let path: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qslm-export-'));
    path = join(folder, 'model.safetensors');
  });
  after(() => rm(folder, { recursive: true }));

  it('reloads every scheme bit for bit, in a file of the predicted size', async () => {
    const plan = mixedPlan(checkpoint);
    assert.ok(new Set([...plan.values()].map(({ bits }) => bits)).size >= 10);
    const result = await exportPlan(checkpoint, hierarchy, plan, path, {
      metadata: { context_length: '256' },
    });
    const size = (await stat(path)).size;
    assert.equal(result.bytes, size);
    assert.equal(size, result.footprint.total + (await headerBytes(path)));
    const reloaded = await openPacked(path);
    assert.deepEqual(reloaded.metadata, { embedding: 'spike', context_length: '256' });
    assert.deepEqual(
      [...reloaded.tensors.keys()].sort(),
      [...checkpoint.tensors.keys()].filter((name) => name !== 'head.weight').sort(),
    );
    await assertSame(checkpoint, plan, reloaded);
    assert.deepEqual([...reloaded.resolvedPlan], [...plan]);
    assert.equal(reloaded.planId, planId(plan));
    assert.equal(result.planId, planId(plan));
    assert.deepEqual(
      [...result.errors.keys()].sort(),
      [...plan.keys()].filter((name) => plan.get(name) !== UNQUANTIZED).sort(),
    );
    await reloaded.close();
  });

  it('keeps a plan of one unit, of none, and with the head, short and exact', async () => {
    const language = memoryCheckpoint(spikeGptShapes(23, 12, 2, { ffnPre: true }));
    const units = hierarchyOf(language);
    for (const [bits, expected] of [
      [4, ['*']],
      [32, ['*']],
    ] as const) {
      const plan = resolvePlan(uniformPlan(bits), units);
      await exportPlan(language, units, plan, path);
      const reloaded = await openPacked(path);
      assert.deepEqual([...reloaded.plan.keys()], expected);
      assert.equal(reloaded.tensors.size, language.tensors.size);
      await assertSame(language, plan, reloaded);
      await reloaded.close();
    }
    const whole = wholeHierarchyOfTensors(checkpoint.tensors.values());
    const plan = resolvePlan(uniformPlan(3), whole);
    await exportPlan(checkpoint, whole, plan, path);
    const reloaded = await openPackedAs(path, () => whole);
    assert.ok(reloaded.tensors.has('head.weight'));
    await assertSame(checkpoint, plan, reloaded);
    await reloaded.close();
  });

  it('stores tensors of four bytes an element at multiples of four', async () => {
    await exportPlan(checkpoint, hierarchy, mixedPlan(checkpoint), path);
    const file = await readFile(path);
    const start = await headerBytes(path);
    const header = JSON.parse(file.toString('utf8', 8, start)) as Record<
      string,
      { dtype?: string; data_offsets?: number[] }
    >;
    for (const [name, { dtype, data_offsets: offsets }] of Object.entries(header))
      if (dtype === 'F32' || dtype === 'I32') assert.equal((start + offsets![0]) % 4, 0, name);
  });

  it('writes the same file again', async () => {
    await exportPlan(checkpoint, hierarchy, mixedPlan(checkpoint), path);
    const first = await readFile(path);
    await exportPlan(checkpoint, hierarchy, mixedPlan(checkpoint), path);
    assert.ok(first.equals(await readFile(path)));
  });

  it('refuses an edited byte in any stored tensor, by name', async () => {
    await exportPlan(checkpoint, hierarchy, mixedPlan(checkpoint), path);
    const good = await readFile(path);
    const stored = await openCheckpoint(path);
    let position = await headerBytes(path);
    for (const [name] of stored.tensors) {
      const length = (await stored.readBytes(name)).length;
      const bad = Buffer.from(good);
      bad[position + (length >> 1)] ^= 1;
      position += length;
      await writeFile(path, bad);
      const reloaded = await openPacked(path);
      const parameter = name.replace(/\.(integers|scales|zero_points)$/, '');
      await assert.rejects(
        reloaded.readFloat32(parameter),
        (error) =>
          error instanceof CheckpointError &&
          error.message.includes(path) &&
          error.message.includes(`"${name}": the data were edited or damaged`),
      );
      await reloaded.close();
    }
    assert.equal(position, good.length);
    await stored.close();
  });

  it('refuses a truncated file, wherever it was cut', async () => {
    await exportPlan(checkpoint, hierarchy, mixedPlan(checkpoint), path);
    const good = await readFile(path);
    const start = await headerBytes(path);
    for (const length of [0, 5, 100, start - 1, start, start + 7, good.length - 1]) {
      await writeFile(path, good.subarray(0, length));
      await assert.rejects(openPacked(path), CheckpointError, `${length} bytes`);
    }
  });

  it('refuses an edited header', async () => {
    await exportPlan(checkpoint, hierarchy, mixedPlan(checkpoint), path);
    const good = await readFile(path, 'latin1');
    const edit = async (from: string, to: string): Promise<void> => {
      assert.equal(from.length, to.length);
      assert.ok(good.includes(from), from);
      await writeFile(path, good.replace(from, to), 'latin1');
      await assert.rejects(openPacked(path), CheckpointError, from);
    };
    await edit('\\"bits\\": 12', '\\"bits\\": 13');
    await edit('"embedding":"spike"', '"embedding":"dense"');
    await edit('qslm-packed/1', 'qslm-packed/2');
    await edit('"qslm.digest"', '"qslm.dogest"');
    await edit('blocks.0.att.key.weight\\":[12,12]', 'blocks.0.att.key.weight\\":[24,06]');
    await edit('"blocks.1.ln1.bias"', '"blocks.1.ln1.bies"');
  });

  it('tells a packed file from a plain one', async () => {
    await exportPlan(checkpoint, hierarchy, mixedPlan(checkpoint), path);
    const { checkpoint: packed, description } = await openDescribed(path);
    assert.ok('resolvedPlan' in packed);
    assert.deepEqual([...packed.resolvedPlan], [...mixedPlan(checkpoint)]);
    assert.equal(description.config.head, false);
    await packed.close();
  });

  it('leaves nothing when it is stopped or the weights are not finite', async () => {
    const stopped = join(folder, 'stopped');
    const plan = mixedPlan(checkpoint);
    const controller = new AbortController();
    const options = {
      signal: controller.signal,
      onProgress: ({ done }: { done: number }) => {
        if (done === 5) controller.abort();
      },
    };
    await assert.rejects(
      exportPlan(checkpoint, hierarchy, plan, join(stopped, 'a.safetensors'), options),
      AbortedError,
    );
    const broken: Checkpoint = {
      ...checkpoint,
      readFloat32: async (name) =>
        name === 'classifier.weight'
          ? new Float32Array(24).fill(NaN)
          : checkpoint.readFloat32(name),
    };
    await assert.rejects(
      exportPlan(broken, hierarchy, plan, join(stopped, 'a.safetensors')),
      /tensor classifier\.weight, element 0: value is not finite/,
    );
    assert.deepEqual(await readdir(stopped).catch(() => []), []);
  });

  itShared(
    'refuses a plain checkpoint as packed, and opens it as any',
    ['golden/fp16.pth'],
    async (plain) => {
      await assert.rejects(openPacked(plain), /not a packed model; got torch-zip/);
      const { checkpoint: opened, description } = await openDescribed(plain);
      const plan = mixedPlan(opened);
      await exportPlan(opened, description.hierarchy, plan, path);
      const reloaded = await openPacked(path);
      await assertSame(opened, plan, reloaded);
      await reloaded.close();
      await opened.close();
    },
  );

  itShared('brings spikegpt-mini back bit for bit', ['models/spikegpt-mini.pth'], async (mini) => {
    const opened = await openCheckpoint(mini);
    const plan = mixedPlan(opened);
    const { bytes, footprint } = await exportPlan(opened, hierarchyOf(opened), plan, path);
    assert.equal(bytes, footprint.total + (await headerBytes(path)));
    const reloaded = await openPacked(path);
    await assertSame(opened, plan, reloaded);
    await reloaded.close();
    await opened.close();
  });
});
