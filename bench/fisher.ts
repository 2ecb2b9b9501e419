/**
 * The Fisher table beside the table that is measured row by row: rank correlation over all units and widths, and
 * over units at each width; seconds of both.
 *
 *     npm run bench:fisher -- --model model.pth --tokenizer tokenizer.json --data search.tsv \
 *       --calibration train.tsv [--limit 200] [--task sst2] [--context 256]
 */
import { parseArgs } from 'node:util';
import { FISHER, fisherTable } from '../src/experiment/observe/fisher-table.js';
import { openStudy } from '../src/experiment/open/open-study.js';
import { sensitivityOf } from '../src/experiment/runs/sensitivity.js';
import { PRECISION_LIST } from '../src/experiment/runs/uniform.js';
import { rankCorrelation } from '../src/search/knapsack/predictors.js';
import type { TaskName } from '../src/tasks/kinds.js';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: 'spikegpt-mini-sst2' },
    tokenizer: { type: 'string' },
    data: { type: 'string' },
    calibration: { type: 'string' },
    limit: { type: 'string' },
    task: { type: 'string' },
    context: { type: 'string' },
  },
});

async function main(): Promise<void> {
  const study = await openStudy(flags.model, {
    model: flags.tokenizer === undefined ? {} : { tokenizer: flags.tokenizer },
    ...(flags.data !== undefined && { data: flags.data }),
    ...(flags.limit !== undefined && { limit: Number(flags.limit) }),
    ...(flags.task !== undefined && { task: flags.task as TaskName }),
    ...(flags.context !== undefined && { context: Number(flags.context) }),
  });
  try {
    const bits = PRECISION_LIST;
    const space = study.space({ granularity: 'module', quantizer: 'min-max' });
    const levels = ['module'] as const;
    const { calibration } = flags;
    const { table, work } = await fisherTable(study, space, { bits, levels, calibration });
    const { sequences, tokens, seconds, source } = work;
    console.log(`gradients: ${sequences} sequences of ${source}, ${tokens} tokens, ${seconds} s`);
    const started = performance.now();
    const settings = { bits, levels, quantizer: 'min-max', observables: false } as const;
    const measured = (await sensitivityOf(study, settings)).table.rows;
    const took = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`measured: ${measured.length} rows, ${took} s`);
    const pairs = table.rows.map((row) => {
      const same = measured.find(({ unit, bits }) => unit === row.unit && bits === row.bits)!;
      return { bits: row.bits, fisher: row.extras![FISHER], loss: same.loss };
    });
    const rankOf = (some: typeof pairs): string =>
      rankCorrelation(
        some.map(({ fisher }) => fisher),
        some.map(({ loss }) => loss),
      ).toFixed(3);
    console.log(`rank correlation, all rows: ${rankOf(pairs)}`);
    for (const width of bits)
      console.log(`  ${width} bits: ${rankOf(pairs.filter((pair) => pair.bits === width))}`);
  } finally {
    await study.close();
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
