import assert from 'node:assert/strict';
import type { FiringRates } from '../../src/energy/accounting.js';
import { modelEnergy } from '../../src/energy/model-energy.js';
import {
  FLOAT_ACCUMULATE_PJ,
  FLOAT_MAC_PJ,
  integerMacPicojoules,
  integerMultiplyPicojoules,
  WEIGHT_MEMORIES,
} from '../../src/energy/technology.js';
import { weightTraffic } from '../../src/energy/traffic.js';
import { footprintOf } from '../../src/quant/footprint.js';
import { resolvePlan, withUnit, uniformPlan } from '../../src/quant/plan.js';
import { quantizerPlan } from '../../src/quant/quantizers.js';
import { affineMinMax } from '../../src/quant/scheme/scheme.js';
import { EnergyError, QuantError } from '../../src/util/errors.js';
import { hierarchyFor, type ModelConfig, modelOf } from '../support/spikegpt.js';
import { TOY } from '../support/toy.js';
import { SPIKEGPT_216M, spikingLayers, uniform } from './support.js';

const LANGUAGE: ModelConfig = { ...TOY, classes: 0 };
const BITS = [32, 16, 14, 12, 10, 8, 6, 4, 3, 2, 1];

function assertClose(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-9 * Math.abs(expected), `${actual}, ${expected}`);
}

function ratesOf(config: ModelConfig, rate: number): FiringRates {
  return new Map(spikingLayers(config).map((layer) => [layer, rate]));
}

describe('energy: constants', () => {
  it("are Horowitz's", () => {
    assertClose(FLOAT_MAC_PJ, 4.6);
    assert.equal(FLOAT_ACCUMULATE_PJ, 0.9);
    // 64 bits: DRAM 1.3–2.6 nJ; static memory 100, 20 and 10 pJ.
    assertClose(64 * WEIGHT_MEMORIES.DRAM.low, 1300);
    assertClose(64 * WEIGHT_MEMORIES.DRAM.high, 2600);
    assertClose(64 * WEIGHT_MEMORIES.DRAM.middle, 1950);
    assert.deepEqual(
      (['SRAM 1 MB', 'SRAM 32 KB', 'SRAM 8 KB'] as const).map(
        (memory) => 64 * WEIGHT_MEMORIES[memory].middle,
      ),
      [100, 20, 10],
    );
  });

  it('of integers go through the published widths and rise with the bits', () => {
    assertClose(integerMultiplyPicojoules(8), 0.2);
    assertClose(integerMultiplyPicojoules(32), 3.1);
    assertClose(integerMacPicojoules(8), 0.3);
    for (let bits = 2; bits <= 32; bits++)
      assert.ok(integerMultiplyPicojoules(bits) > integerMultiplyPicojoules(bits - 1));
  });
});

describe('energy: weight traffic', () => {
  it('of all tokens is the footprint less what the embedding does not read', () => {
    for (const config of [LANGUAGE, TOY, { ...LANGUAGE, ffnPre: true }, SPIKEGPT_216M])
      for (const bits of [32, 12, 8]) {
        const hierarchy = hierarchyFor(config);
        const plan = uniform(config, bits);
        const { total, parts } = footprintOf(hierarchy, plan);
        const unread = (config.vocabSize - 1) * config.width * bits;
        assertClose(
          weightTraffic(modelOf(config), plan).bits,
          8 * (total - parts.padding) - unread,
        );
      }
  });

  it('is counted by hand for a classifier', () => {
    const config = { ...TOY, vocabSize: 5, width: 2, hiddenWidth: 8, layers: 1 };
    // Matrices of 4·4 + 36 values with 64 bits of scale and zero point each; 4 norms of 2·2, 2 + 5 vectors
    // of 2; an embedded row; and once in 8 tokens the classifier.
    const block = 52 * 8 + 7 * 64 + (6 + 7) * 2 * 32;
    const { bits, byBlock } = weightTraffic(modelOf(config), uniform(config, 8), {
      sentenceTokens: 8,
    });
    assertClose(byBlock.input, 2 * 8 + 64);
    assertClose(byBlock['attention.0'], block);
    assertClose(byBlock.output, 4 * 32 + (4 * 8 + 64) / 8);
    assertClose(bits, byBlock.input + byBlock['attention.0'] + byBlock.output);
  });

  it('is shared by tokens that go through a matrix together, but for the embedding', () => {
    const plan = uniform(LANGUAGE, 8);
    const [one, many] = [1, 256].map((tokensPerRead) =>
      weightTraffic(modelOf(LANGUAGE), plan, { tokensPerRead }),
    );
    assert.equal(many.byBlock.input, one.byBlock.input);
    assertClose(many.bits - many.byBlock.input, (one.bits - one.byBlock.input) / 256);
  });

  it('asks for a plan of this model and for whole tokens', () => {
    assert.throws(() => weightTraffic(modelOf(LANGUAGE), uniform(TOY, 8)), QuantError);
    assert.throws(
      () => weightTraffic(modelOf(TOY), uniform(TOY, 8), { tokensPerRead: 0.5 }),
      EnergyError,
    );
  });
});

describe('energy: model', () => {
  it('of SpikeGPT-216M in float32 is 812 µJ of products and some 173 mJ of DRAM', () => {
    const { products, elementwise, weights, total, origin } = modelEnergy(
      modelOf(SPIKEGPT_216M),
      uniform(SPIKEGPT_216M, 32),
      { accounting: 'as built' },
    );
    assert.equal(origin, 'modelled');
    // Microjoules: 176,631,552 · 4.6 pJ; (215,399,424 − 50,276 · 768) · 32 bits at 1.3–2.6 nJ for 64.
    assertClose(products, (176_631_552 * 4.6) / 1e6);
    assertClose(weights.low, ((215_399_424 - 50_276 * 768) * 0.5 * 1300) / 1e6);
    assertClose(weights.high, 2 * weights.low);
    assertClose(total.middle, products + elementwise + weights.middle);
    assert.ok(elementwise < 0.02 * products, `${elementwise} of ${products}`);
  });

  it('as built computes the same at any bits, and reads less', () => {
    const energies = BITS.map((bits) =>
      modelEnergy(modelOf(LANGUAGE), uniform(LANGUAGE, bits), { accounting: 'as built' }),
    );
    for (const [index, { products, elementwise, weights }] of energies.entries()) {
      assert.equal(products, energies[0].products);
      assert.equal(elementwise, energies[0].elementwise);
      if (index > 0) assert.ok(weights.middle < energies[index - 1].weights.middle);
    }
  });

  it('of integers falls with the bits, and unquantized is as built', () => {
    const energies = BITS.map((bits) =>
      modelEnergy(modelOf(LANGUAGE), uniform(LANGUAGE, bits), { accounting: 'integer' }),
    );
    const built = modelEnergy(modelOf(LANGUAGE), uniform(LANGUAGE, 32), { accounting: 'as built' });
    assert.equal(energies[0].products, built.products);
    for (let index = 1; index < energies.length; index++)
      assert.ok(energies[index].products < energies[index - 1].products);
    // 8 bits: 0.3 pJ in place of 4.6.
    assertClose(energies[BITS.indexOf(8)].products, (built.products * 0.3) / 4.6);
  });

  it('of integers takes each matrix at its own bits', () => {
    const hierarchy = hierarchyFor(LANGUAGE);
    const mixed = withUnit(uniformPlan(32), 'attention.1/SRWKV/key', affineMinMax(8));
    const plan = resolvePlan(mixed, hierarchy);
    const options = { accounting: 'integer' } as const;
    const before = modelEnergy(modelOf(LANGUAGE), uniform(LANGUAGE, 32), options).products;
    const after = modelEnergy(modelOf(LANGUAGE), plan, options).products;
    assertClose(before - after, (16 * 16 * (4.6 - 0.3)) / 1e6);
  });

  it('idealized accumulates for spikes alone, and multiplies real inputs', () => {
    const plan = uniform(LANGUAGE, 32);
    const at = (rate: number): number =>
      modelEnergy(modelOf(LANGUAGE), plan, {
        accounting: 'idealized',
        firingRates: ratesOf(LANGUAGE, rate),
      }).products;
    // A block of 16 channels: output 16², value 64 · 16 multiply; 3 · 16², key 64 · 16 and 16² accumulate.
    const real = 3 * (16 ** 2 + 64 * 16);
    const spiking = 3 * (3 * 16 ** 2 + 64 * 16 + 16 ** 2) + 61 * 16;
    assertClose(at(0), (real * 4.6) / 1e6);
    assertClose(at(0.2), (real * 4.6 + spiking * 0.2 * 0.9) / 1e6);
    assert.ok(at(1) < modelEnergy(modelOf(LANGUAGE), plan, { accounting: 'as built' }).products);
  });

  it('idealized takes each layer at its own rate', () => {
    const plan = uniform(LANGUAGE, 32);
    const energy = (layer: string): number =>
      modelEnergy(modelOf(LANGUAGE), plan, {
        accounting: 'idealized',
        firingRates: new Map(ratesOf(LANGUAGE, 0)).set(layer, 1),
      }).products;
    const silent = energy('nothing');
    // What each layer feeds: SRWKV of block 0, SRFFN of block 1, and the head.
    assertClose(energy('input/embedding') - silent, (3 * 256 * 0.9) / 1e6);
    assertClose(energy('attention.1/SRWKV') - silent, ((1024 + 256) * 0.9) / 1e6);
    assertClose(energy('attention.2/SRFFN') - silent, (61 * 16 * 0.9) / 1e6);
  });

  it('asks for every rate, and for shares', () => {
    const plan = uniform(LANGUAGE, 32);
    for (const firingRates of [
      undefined,
      new Map([['input/embedding', 0.1]]),
      ratesOf(LANGUAGE, 1.1),
      ratesOf(LANGUAGE, NaN),
    ])
      assert.throws(
        () =>
          modelEnergy(modelOf(LANGUAGE), plan, {
            accounting: 'idealized',
            ...(firingRates && { firingRates }),
          }),
        EnergyError,
      );
  });

  it('reads a spike embedding that is stored by its sign at one bit a value', () => {
    const hierarchy = hierarchyFor(LANGUAGE);
    const plan = resolvePlan(quantizerPlan('best', 8, hierarchy), hierarchy);
    assert.equal(weightTraffic(modelOf(LANGUAGE), plan).byBlock.input, 16);
  });
});
