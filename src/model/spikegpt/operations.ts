import { hierarchyOf, matricesOf, type Matrix } from '../../layout/hierarchy.js';
import type { MatrixProduct, OperationOptions, TokenOperations } from '../../layout/operations.js';
import { EnergyError } from '../../util/errors.js';
import type { SpikeGPTConfig } from './config.js';
import { countElementwise } from './elementwise.js';
import { spikeGPTLayout } from './layout.js';

/**
 * The operations a token of a SpikeGPT, from its configuration alone. With sequences of any length: the
 * recurrent form takes the same work for every token.
 *
 * The matrices that a module's norm feeds (key, value, receptance of SRWKV; key and receptance of SRFFN) and
 * the head would read spikes in an ideal spiking network. The inner ones, SRWKV's output and SRFFN's value,
 * read gated averages and squares, a pooled classifier a mean: real values in any reading.
 *
 * @throws {EnergyError} when `sentenceTokens` is below 1.
 */
export function countOperations(
  config: SpikeGPTConfig,
  { sentenceTokens = 1 }: OperationOptions = {},
): TokenOperations {
  if (!(sentenceTokens >= 1 && Number.isFinite(sentenceTokens)))
    throw new EnergyError({
      what: 'tokens of a sentence make no sense',
      where: 'counting operations',
      got: String(sentenceTokens),
      expected: 'at least 1',
    });
  const hierarchy = hierarchyOf(spikeGPTLayout(config).parameters);
  const modules = hierarchy.blocks.flatMap((block) => block.modules.map(({ path }) => path));
  const products = matricesOf(hierarchy)
    .filter(({ use }) => use !== 'lookup')
    .map((matrix) => productOf(matrix, modules, config, sentenceTokens));
  return {
    products,
    macs: products.reduce((total, { macs }) => total + macs, 0),
    elementwise: countElementwise(config, sentenceTokens),
  };
}

function productOf(
  matrix: Matrix,
  modules: readonly string[],
  { embedding }: SpikeGPTConfig,
  sentenceTokens: number,
): MatrixProduct {
  const [block, module] = matrix.path.split('/');
  const inner =
    (module === 'SRWKV' && matrix.matrix === 'output') ||
    (module.startsWith('SRFFN') && matrix.matrix === 'value');
  const tokens = matrix.use === 'sequence' ? sentenceTokens : 1;
  const place = modules.indexOf(`${block}/${module}`);
  // Each module reads what the one before it wrote, the first one the embedding.
  const ofSpikes = !inner && matrix.use === 'token' && (place > 1 || embedding === 'spike');
  return {
    matrix,
    block,
    macs: matrix.parameters / tokens,
    tokens,
    ...(ofSpikes && { spikesOf: modules[place - 1] }),
  };
}
