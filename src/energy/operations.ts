import type { ModelConfig } from '../model/spikegpt/config.js';
import { parametersOf } from '../model/spikegpt/parameters.js';
import { hierarchyOf, matricesOf, type Hierarchy, type Matrix } from '../quant/hierarchy.js';
import { EnergyError } from '../util/errors.js';
import {
  countElementwise,
  ELEMENTWISE_PARTS,
  type ElementwisePart,
  type ScalarOperations,
} from './elementwise.js';

/** The module of the embedding, as the hierarchy calls it. */
const EMBEDDING = 'input/embedding';

/** A token's product with one matrix. */
export interface MatrixProduct {
  readonly matrix: Matrix;
  /** "input", "attention.0", …, "output" */
  readonly block: string;
  /** Multiply–accumulates a token, of an input without zeros. */
  readonly macs: number;
  /** How many tokens share one product: 1, and all of a sentence for the classifier. */
  readonly tokens: number;
  /**
   * The spiking layer (its path) that wrote what the product reads last. As built, a layer norm and the token
   * shift lie between and the input is no spike; the idealized accounting takes it as one. Absent where the
   * input is made of real values in any reading.
   */
  readonly spikesOf?: string;
}

/** What a model computes for one token. */
export interface TokenOperations {
  /** In network order. The embedding is none: its row is looked up. */
  readonly products: readonly MatrixProduct[];
  /** Of {@link products} together, a token. */
  readonly macs: number;
  readonly elementwise: Readonly<Record<ElementwisePart, ScalarOperations>>;
}

export interface OperationOptions {
  /** Tokens of a sentence, on average: a classifier works once a sentence. 1 by default, the most work. */
  readonly sentenceTokens?: number | undefined;
}

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
  config: ModelConfig,
  { sentenceTokens = 1 }: OperationOptions = {},
): TokenOperations {
  if (!(sentenceTokens >= 1 && Number.isFinite(sentenceTokens)))
    throw new EnergyError({
      what: 'tokens of a sentence make no sense',
      where: 'counting operations',
      got: String(sentenceTokens),
      expected: 'at least 1',
    });
  const hierarchy = hierarchyOf(parametersOf(config));
  const sources = spikeSources(hierarchy, config);
  const products = matricesOf(hierarchy)
    .filter(({ path }) => !path.startsWith(EMBEDDING))
    .map((matrix) => productOf(matrix, sources, sentenceTokens));
  return {
    products,
    macs: products.reduce((total, { macs }) => total + macs, 0),
    elementwise: countElementwise(config, sentenceTokens),
  };
}

function productOf(
  matrix: Matrix,
  sources: ReadonlyMap<string, string>,
  sentenceTokens: number,
): MatrixProduct {
  const [block, module] = matrix.path.split('/');
  const inner =
    (module === 'SRWKV' && matrix.matrix === 'output') ||
    (module.startsWith('SRFFN') && matrix.matrix === 'value');
  const pooled = matrix.matrix === 'classifier';
  const tokens = pooled ? sentenceTokens : 1;
  const spikesOf = inner || pooled ? undefined : sources.get(`${block}/${module}`);
  return {
    matrix,
    block,
    macs: matrix.parameters / tokens,
    tokens,
    ...(spikesOf !== undefined && { spikesOf }),
  };
}

/** Module → the spiking layer before it; nothing for a module that a dense embedding feeds. */
function spikeSources(hierarchy: Hierarchy, { embedding }: ModelConfig): Map<string, string> {
  const modules = hierarchy.blocks.flatMap((block) => block.modules.map(({ path }) => path));
  const sources = new Map<string, string>();
  modules.forEach((path, index) => {
    if (index === 0) return;
    const before = modules[index - 1];
    if (before !== EMBEDDING || embedding === 'spike') sources.set(path, before);
  });
  return sources;
}

/**
 * The layers that spike, by path, in network order: a spike embedding, then two a block. What firing rates
 * are asked for by.
 */
export function spikingLayers(config: ModelConfig): string[] {
  const { blocks } = hierarchyOf(parametersOf(config));
  const modules = blocks.flatMap((block) => block.modules.map(({ path }) => path));
  return modules.filter(
    (path) => !path.startsWith('output') && (path !== EMBEDDING || config.embedding === 'spike'),
  );
}

/** Elementwise parts with what they take, in the order of the network. */
export function elementwiseParts({
  elementwise,
}: TokenOperations): (readonly [ElementwisePart, ScalarOperations])[] {
  return ELEMENTWISE_PARTS.map((part) => [part, elementwise[part]] as const);
}
