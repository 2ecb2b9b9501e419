import type { ResolvedPlan } from '../quant/plan.js';
import { schemeToJson } from '../quant/scheme/scheme-json.js';
import type { ModelConfig } from './spikegpt/config.js';
import { sha256 } from '../util/hash.js';
import { canonicalJson } from '../util/json.js';

/**
 * Where along the network a parameter first matters. Boundary s is the residual stream before stage s of
 * the model; there are 2 · layers stages and one boundary more. A parameter of stage s changes boundary
 * s + 1 and all after it; the embedding changes boundary 0; what follows the last stage (ln_out, head,
 * classifier) changes no boundary, only the outputs.
 */
function firstBoundary(parameter: string, stages: number): number {
  if (parameter === 'emb.weight') return 0;
  const inBlock = /^blocks\.(\d+)\.(\w+)\./.exec(parameter);
  if (inBlock === null) return stages + 1;
  const [, block, part] = inBlock;
  return 2 * Number(block) + (part === 'ffn' ? 2 : 1);
}

/** A plan as its effect along the network. */
export interface PlanStages {
  /** [boundary]: equal for two plans exactly when everything before that boundary is. */
  readonly prefix: readonly string[];
  /** [boundary]: equal for two plans exactly when everything from that boundary to the outputs is. */
  readonly suffix: readonly string[];
  /** Of the whole plan. */
  readonly key: string;
}

/** @param plan the scheme of each quantized matrix; the keys follow names and schemes alone */
export function stagesOf(plan: ResolvedPlan, { layers }: Pick<ModelConfig, 'layers'>): PlanStages {
  const stages = 2 * layers;
  const groups = Array.from({ length: stages + 2 }, (): string[] => []);
  for (const [name, scheme] of [...plan].sort(([a], [b]) => (a < b ? -1 : 1)))
    if (scheme.bits < 32)
      groups[firstBoundary(name, stages)].push(`${name}=${canonicalJson(schemeToJson(scheme))}`);
  const chain = (from: number, to: number): string =>
    sha256(canonicalJson(groups.slice(from, to))).slice(0, 16);
  const boundaries = Array.from({ length: stages + 1 }, (_, boundary) => boundary);
  return {
    prefix: boundaries.map((boundary) => chain(0, boundary + 1)),
    suffix: boundaries.map((boundary) => chain(boundary + 1, groups.length)),
    key: chain(0, groups.length),
  };
}

/**
 * Multiply–accumulates a token of each stage and of the output layer, the unit in which work is counted:
 * matrix products are nearly all of it.
 */
export function stageCosts(config: ModelConfig): { stages: readonly number[]; output: number } {
  const { width, hiddenWidth, layers, vocabSize, classes, ffnPre } = config;
  const mix = 4 * width * width;
  const ffn = 2 * width * hiddenWidth + width * width;
  const stages = Array.from({ length: 2 * layers }, (_, stage) =>
    stage % 2 === 1 || (stage === 0 && ffnPre) ? ffn : mix,
  );
  return { stages, output: classes > 0 ? 0 : width * vocabSize };
}
