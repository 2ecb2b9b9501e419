import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A program that answers as nvidia-smi does. Columns, units and "[N/A]" are those that
 * `nvidia-smi --query-gpu=… --format=csv` printed on the cards of
 * github.com/utkuozdemir/nvidia_gpu_exporter, internal/captures (drivers 590 to 610), and so are the single
 * readings in tests: one idle and one under load a card. The sequences of them are written here.
 */
export function fakeNvidiaSmi(behaviour: {
  /** What `--help-query-gpu` lists; by default power.draw.instant as drivers since 530 do. */
  readonly list?: readonly string[];
  /** Answers to the list: 'hang', or a status to end with. */
  readonly listEnds?: 'hang' | number;
  /** The rows of one look: cells by field, a card each. Number i is said at look i, the last from there on. */
  readonly looks: readonly (readonly Readonly<Record<string, string>>[])[];
  /** Printed instead of a look where it says so, by the number of the look. */
  readonly garbage?: Readonly<Record<number, string>>;
  /** Ends with a message, or falls silent, before the look of this number. */
  readonly failsAt?: number;
  readonly hangsAt?: number;
}): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'qslm-smi-'));
  const script = join(folder, 'nvidia-smi.cjs');
  writeFileSync(
    script,
    `
const b = ${JSON.stringify(behaviour)};
const query = process.argv.find((each) => each.startsWith('--query-gpu='));
const forever = () => setInterval(() => undefined, 1000);
if (process.argv.includes('--help-query-gpu')) {
  if (b.listEnds === 'hang') forever();
  else if (typeof b.listEnds === 'number') {
    console.log("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.");
    process.exitCode = b.listEnds;
  } else
    console.log((b.list ?? ['timestamp', 'power.draw', 'power.draw.instant']).map((name) => JSON.stringify(name) + '\\nwords\\n').join('\\n'));
} else {
  const fields = query.slice('--query-gpu='.length).split(',');
  const every = Number(process.argv.at(-1));
  const unit = { 'power.draw': ' [W]', 'power.draw.instant': ' [W]', 'utilization.gpu': ' [%]', total_energy_consumption: ' [mJ]' };
  console.log(fields.map((field) => field + (unit[field] ?? '')).join(', '));
  const two = (n, digits = 2) => String(n).padStart(digits, '0');
  let look = 0;
  const timer = setInterval(() => {
    if (look === b.failsAt) {
      console.error('Unable to determine the device handle for GPU 0000:01:00.0: Unknown Error');
      process.exit(15);
    }
    if (b.hangsAt !== undefined && look >= b.hangsAt) return;
    if (b.garbage && b.garbage[look] !== undefined) process.stdout.write(b.garbage[look]);
    else {
      const now = new Date();
      const stamp = now.getFullYear() + '/' + two(now.getMonth() + 1) + '/' + two(now.getDate()) + ' ' +
        two(now.getHours()) + ':' + two(now.getMinutes()) + ':' + two(now.getSeconds()) + '.' + two(now.getMilliseconds(), 3);
      const rows = b.looks[Math.min(look, b.looks.length - 1)];
      for (const row of rows)
        console.log(fields.map((field) => (field === 'timestamp' ? stamp : row[field] ?? '[N/A]')).join(', '));
    }
    look++;
  }, every);
}
`,
  );
  return [process.execPath, script];
}
