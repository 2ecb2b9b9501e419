import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { dequantize, fakeQuantize, quantize } from '../../src/quant/quantizer/quantize.js';
import { affineMinMax, paperMinMax } from '../../src/quant/scheme/scheme.js';
import { sha256 } from '../../src/util/hash.js';
import { itShared } from '../support/shared.js';
import { bell } from './support.js';

interface Golden {
  tensors: Record<string, number[]>;
  cases: {
    tensor: string;
    bits: number;
    scale: number;
    zeroPoint: number;
    q: number[];
    dequantized: number[];
  }[];
}

describe('quant: paper-minmax', () => {
  itShared("equals the prototype's quantizer", ['golden/quantizer.json'], (path) => {
    const golden = JSON.parse(readFileSync(path, 'utf8')) as Golden;
    assert.equal(golden.cases.length, 32);
    for (const { tensor, bits, scale, zeroPoint, q, dequantized } of golden.cases) {
      const values = Float32Array.from(golden.tensors[tensor]);
      const stored = quantize(values, [values.length], paperMinMax(bits), tensor);
      const label = `${tensor}, ${bits} bits`;
      assert.deepEqual([...stored.integers], q, label);
      assert.equal(stored.scales[0], Math.fround(scale), label);
      assert.equal(stored.zeroPoints[0], zeroPoint, label);
      // The golden values are float64; ours round the scale and the product to float32.
      dequantize(stored).forEach((value, i) => {
        assert.ok(Math.abs(value - dequantized[i]) <= 2 ** -23 * Math.abs(dequantized[i]), label);
      });
    }
  });

  it('rounds as float32 does: off by one from float64 only where a quotient is as good as a tie', () => {
    const values = bell(20_000, 1);
    const bits = 16;
    const { integers, scales, zeroPoints } = quantize(values, [values.length], paperMinMax(bits));
    const exact = (Math.max(...values) - Math.min(...values)) / (2 ** bits - 1);
    assert.equal(scales[0], Math.fround(exact));
    let turned = 0;
    values.forEach((value, i) => {
      const quotient = value / exact;
      const off = Math.abs(integers[i] - zeroPoints[0] - quotient);
      // A nearest integer but for the rounding of scale and quotient, half an ulp of float32 each.
      assert.ok(off <= 0.5 + 2 ** -23 * Math.abs(quotient), `value ${i}: off by ${off}`);
      if (off > 0.5) turned++;
    });
    // As stated with `quantize`: a few in a thousand at 16 bits; at 8 none.
    assert.ok(turned > 0 && turned < values.length / 500, `${turned} of ${values.length}`);
    const few = quantize(values, [values.length], paperMinMax(8));
    const step = (Math.max(...values) - Math.min(...values)) / 255;
    values.forEach((value, i) => {
      const off = Math.abs(few.integers[i] - few.zeroPoints[0] - value / step);
      assert.ok(off <= 0.5, `value ${i} at 8 bits: off by ${off}`);
    });
  });

  it('saturates for values of one sign far from 0, where the widened range does not', () => {
    // Range 0.9 … 1.1, 4 bits: scale 0.2 / 15; zero point clamped to −8, so at most 15 steps above 0.
    const values = Float32Array.of(0.9, 1, 1.1);
    assert.deepEqual([...quantize(values, [3], paperMinMax(4)).integers], [7, 7, 7]);
    assert.deepEqual([...quantize(values, [3], affineMinMax(4)).integers], [4, 6, 7]);
  });
});

/*
 * SHA-256 (first 16 digits) of the dequantized float32 bytes, for 1 to 16 bits, from PyTorch 1.13:
 *
 * def quantize(w, bits):  # per tensor, affine, min-max widened to hold 0
 *     lo, hi = -2 ** (bits - 1), 2 ** (bits - 1) - 1
 *     mn, mx = min(w.min().item(), 0.), max(w.max().item(), 0.); s = (mx - mn) / (hi - lo)
 *     if s == 0: return w.clone()
 *     z = min(max(round(lo - mn / s), lo), hi)
 *     return (torch.clamp(torch.round(w / s) + z, lo, hi) - z) * s
 * def bell(n, seed):
 *     x = np.empty(4 * n, np.uint32); s = seed
 *     for i in range(4 * n): s = (s * 1664525 + 1013904223) % 2**32; x[i] = s >> 10
 *     return ((x.reshape(n, 4).sum(1).astype(np.int64) - 2**23) / 2**25).astype(np.float32)
 * b = bell(20000, 1)
 * for x in (b, b * b * b + np.float32(0.001), np.float32(1) + b, b - np.float32(3)):
 *     print([sha256(quantize(torch.from_numpy(x), k).numpy().tobytes()).hexdigest()[:16] for k in range(1, 17)])
 */
const PYTORCH: Readonly<Record<string, readonly string[]>> = {
  bell: [
    ...['6798c9ed03201709', '90a17f1aa677322c', 'a1417a8ea7957e56', 'df3b58ed3d718115'],
    ...['ad14b6dc7b64e528', '1e661dc7e5f9dcea', 'afa25145b5d39f7e', 'b44606c84e94988f'],
    ...['93183981909786a0', '4256372e8851f166', 'ead14334c4c9009b', '4c63d3b6ef318d5d'],
    ...['beb5bd7df9c17fdd', '8a04f2b0cc56be32', 'd991e3594627e474', '556f558e3da661d7'],
  ],
  skewed: [
    ...['b6fb24dafd14e7f4', '19ee62fb95574f6e', 'a7660877ff4fdafc', 'd1bd62caabe07891'],
    ...['f2511d7d4ad37bd9', '1d545d470747dd7d', '0cccdf482ce1502f', 'c2f096d7997d8739'],
    ...['79618bdc4b2c8218', '5d28b23016f9d6a1', '2b5552cea73f509f', '5b03af210ca9fd8f'],
    ...['641812bab0014669', 'e290b9fd0c79d240', 'cc3b29cbfd051d8e', '211c47614907fbe6'],
  ],
  positive: [
    ...['583aeea84d918951', '610aa35a58d0f780', '1218a786130f68c8', '60f962b63c6fadf3'],
    ...['82f17dfc85f5fff5', 'bec110ddb973e1b5', '62251d230a4537af', 'bd76abcc831fc192'],
    ...['bd68ff485d60870c', '2c69c00a8314ed0e', 'aba4ac81d2d2d9e0', '10802950c85d2c07'],
    ...['cdc17548e5dcfcb8', '5e92fbb9a8134b22', '572cf8e6458e5b35', '81e190a2d7c15942'],
  ],
  negative: [
    ...['1a388d51c986ad9d', '1a388d51c986ad9d', 'fb53c8ed5f620440', '42e622b4f1238199'],
    ...['be6a1587baaaecc2', 'd06e9f1b7fa508eb', 'fbd073240b3add5d', 'decd643b56c0499b'],
    ...['22bedd2d2a4a0f14', '0447ab7d6901be9c', '2d73cbea655a78c5', '8ce581f5956a4365'],
    ...['416678544524fc07', '254352bcab3b08f1', 'd42682f3d441ce3f', 'de87d911734f7123'],
  ],
};

describe('quant: affine min–max, widened', () => {
  const values = bell(20_000, 1);
  const tensors: Readonly<Record<string, Float32Array>> = {
    bell: values,
    skewed: values.map((x) => Math.fround(Math.fround(x * x) * x) + Math.fround(0.001)),
    positive: values.map((x) => 1 + x),
    negative: values.map((x) => x - 3),
  };
  for (const [name, tensor] of Object.entries(tensors))
    it(`equals PyTorch bit for bit at every width: ${name}`, () => {
      const hashes = Array.from({ length: 16 }, (_, i) => {
        const simulated = fakeQuantize(tensor, [200, 100], affineMinMax(i + 1));
        return sha256(new Uint8Array(simulated.buffer)).slice(0, 16);
      });
      assert.deepEqual(hashes, PYTORCH[name]);
    });

  // The same quantize(), over all matrices of the model in the order of their names.
  itShared('equals PyTorch on real weights', ['models/spikegpt-mini.pth'], async (path) => {
    const expected = [
      ...['f1cb61e919004f32', '0484ff2a20bbde84', '754ba4932d4e0b89', '1c622c8701dba1b3'],
      ...['6464198383641117', 'f67e157f4fd40dc8', '1d7ab8b80b5564d4', '7ba0d1fe21f91e1e'],
      ...['c5a27a3c51a20f7a', '77c16f799dfe8cca', '5fb72b71609d6b24', '793e917748b98f39'],
      ...['edeb45fd85a2d412', '839ea571fb2b8184', '1bb31d592609131d', '5f86e85782c0f5ad'],
    ];
    const checkpoint = await openCheckpoint(path);
    const hashes = expected.map(() => createHash('sha256'));
    const matrices = [...checkpoint.tensors.values()].filter(({ shape }) => shape.length === 2);
    matrices.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const { name, shape } of matrices) {
      const values = await checkpoint.readFloat32(name);
      hashes.forEach((hash, i) => {
        hash.update(new Uint8Array(fakeQuantize(values, shape, affineMinMax(i + 1)).buffer));
      });
    }
    await checkpoint.close();
    assert.deepEqual(
      hashes.map((hash) => hash.digest('hex').slice(0, 16)),
      expected,
    );
  });

  it('takes the zero point from the scale in double precision', () => {
    // Python: round(-32768 - mn / s) with s = (mx - mn) / 65535; a float32 s gives 21844 and -1.
    for (const [low, high, zeroPoint] of [
      [-0.735, 0.147, 21845],
      [-0.557, 0.557, 0],
    ])
      assert.equal(
        quantize(Float32Array.of(low, high), [2], affineMinMax(16)).zeroPoints[0],
        zeroPoint,
      );
  });

  it('rounds halves to even', () => {
    // Range −2 … 1 at 2 bits: scale 1, zero point 0.
    const { integers, scales } = quantize(
      Float32Array.of(-2, -1.5, -0.5, 0.5, 1),
      [5],
      affineMinMax(2),
    );
    assert.equal(scales[0], 1);
    assert.deepEqual([...integers], [-2, -2, 0, 0, 1]);
  });
});
