import type { PlanRow } from '../../experiment/selection/plan-table.js';
import { formatTable, numberColumns } from './table.js';

/** Names of blocks and modules, and beside them the bits of each plan. */
export function planText(rows: readonly PlanRow[]): string {
  const [first] = rows;
  const titles = Object.keys(first).filter((name) => name !== 'block' && name !== 'module');
  return formatTable(
    [{ title: 'block' }, { title: 'module' }, ...numberColumns(...titles)],
    rows.map((row) => [row.block, row.module, ...titles.map((title) => String(row[title]))]),
  );
}
