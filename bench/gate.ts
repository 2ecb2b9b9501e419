/**
 * Case a1 and b1 on the bundled models with and without the gate (`qslm search --gate drift`), on wasm, each
 * from an empty store.
 *
 *     npm run bench:gate [-- --cases a1,b1 --limit 100 --threshold 0.1]
 *
 * Prints what was tried, measured and refused, the seconds of searching and of the gate's drifts, and the wrong
 * refusals: plans that keep the limit when they are measured after all, and those among them that the search
 * without a gate accepted.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openStudy } from '../src/experiment/open/open-study.js';
import type { SearchRun } from '../src/experiment/runs/search-result.js';
import { runSearch } from '../src/experiment/runs/search-run.js';
import { DEFAULT_SEARCH, type GateSettings } from '../src/experiment/runs/search-settings.js';
import { CASES } from '../src/search/constraints.js';
import { passes } from '../src/search/evaluation.js';

const { values: flags } = parseArgs({
  options: {
    cases: { type: 'string', default: 'a1,b1' },
    limit: { type: 'string' },
    threshold: { type: 'string' },
  },
});
const MODELS = { a1: 'spikegpt-mini-sst2', b1: 'spikegpt-mini' } as const;
type Case = keyof typeof MODELS;

interface Ran {
  readonly run: SearchRun;
  readonly seconds: number;
  /** Keys of refused plans that keep the limit when they are measured. */
  readonly keeping: readonly string[];
}

async function search(name: Case, folder: string, gate?: GateSettings): Promise<Ran> {
  const study = await openStudy(MODELS[name], {
    ...{ backend: 'wasm', store: join(folder, `${name}-${gate ? 'gate' : 'plain'}.sqlite`) },
    accelerations: { workers: 2 },
    ...(flags.limit !== undefined && { limit: Number(flags.limit) }),
  });
  try {
    const start = performance.now();
    const settings = {
      ...DEFAULT_SEARCH,
      ...{ case: name, constraints: CASES[name].constraints, ...(gate && { gate }) },
      yardsticks: { uniform: false, random: 0, seed: 1 },
    };
    const run = await runSearch(study, settings, { runs: join(folder, 'runs'), estimate: false });
    const seconds = (performance.now() - start) / 1000;
    const limit = run.outcome.limits.quality;
    const keeping: string[] = [];
    for (const { gate: sight, assignment } of run.outcome.trace) {
      if (sight === undefined) continue;
      const context = { need: 'exact-if-passes', limit } as const;
      const found = await study.evaluator.evaluateIn(run.space)(assignment, context);
      if (passes(found, limit)) keeping.push(assignment.key);
    }
    return { run, seconds, keeping };
  } finally {
    await study.close();
  }
}

function lineOf({ run: { outcome, report, selected }, seconds }: Ran): string {
  const { trace, candidates, evaluations } = outcome;
  const chosen = selected?.candidate;
  return [
    `${trace.length} tried, ${evaluations} asked to be measured, ${report.measured} to the end, ${report.stopped} stopped early`,
    `${candidates.length} candidates`,
    chosen ? `selected ${chosen.metric.toFixed(4)} at ${chosen.bytes} bytes` : 'nothing selected',
    `${seconds.toFixed(1)} s`,
  ].join('; ');
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'qslm-gate-'));
  const threshold = flags.threshold === undefined ? undefined : Number(flags.threshold);
  const gate = { observable: 'drift', ...(threshold !== undefined && { threshold }) } as const;
  try {
    for (const name of flags.cases.split(',') as Case[]) {
      const plain = await search(name, folder);
      const gated = await search(name, folder, gate);
      const { origin, drifts, refused, ...used } = gated.run.gate!;
      const { computed, seconds } = gated.run.gateWork!;
      const accepted = new Set(
        plain.run.outcome.trace.flatMap((step) => (step.accepted ? [step.assignment.key] : [])),
      );
      const both = gated.keeping.filter((key) => accepted.has(key));
      console.log(`${name} on ${MODELS[name]}`);
      console.log(`  without gate: ${lineOf(plain)}`);
      console.log(`  gate drift:   ${lineOf(gated)}`);
      console.log(`  threshold ${used.threshold?.toPrecision(4) ?? 'none'}: ${origin}`);
      console.log(
        `  ${drifts} drifts asked for, ${computed} computed on ${used.observed} in ${seconds.toFixed(1)} s`,
      );
      console.log(
        `  ${refused} refused; measured after all, ${gated.keeping.length} of them keep the limit: wrong refusals; ` +
          `${both.length} of these the search without a gate accepted`,
      );
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

void main();
