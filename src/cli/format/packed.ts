import { memoryUse, type MemoryUse } from '../../backend/memory.js';
import type { Checkpoint } from '../../checkpoint/types.js';
import type { Hierarchy } from '../../layout/hierarchy.js';
import { footprintOf } from '../../quant/footprint.js';
import { isPackedCheckpoint } from '../../quant/packed/read.js';
import { formatBytes, formatPercent } from '../../util/format.js';
import type { Fact } from './table.js';

/** Memory before a model whose matrices stay packed was opened, and once it was; absent for any other. */
export interface PackedExecution {
  readonly before: MemoryUse;
  readonly opened: MemoryUse;
}

/** Opens a model; with `packed`, looks at the memory before and after. */
export async function openPackedOr<T>(
  packed: boolean | undefined,
  open: () => Promise<T>,
): Promise<{ readonly open: T; readonly execution?: PackedExecution }> {
  const before = memoryUse();
  const opened = await open();
  if (packed !== true) return { open: opened };
  return { open: opened, execution: { before, opened: memoryUse() } };
}

/** Plan, size and saving of a packed model, and the memory of its execution; nothing for one that is not. */
export function packedFacts(
  checkpoint: Checkpoint,
  hierarchy: Hierarchy,
  execution?: PackedExecution,
): Fact[] {
  if (!isPackedCheckpoint(checkpoint)) return [];
  const { total } = footprintOf(hierarchy, checkpoint.resolvedPlan);
  const saving = formatPercent(1 - total / hierarchy.fp32Bytes);
  return [
    ['packed', `plan ${checkpoint.planId}: ${formatBytes(total)}, ${saving} saved`],
    ...(execution === undefined ? [] : executionFacts(execution, total)),
  ];
}

function executionFacts({ before, opened }: PackedExecution, predicted: number): Fact[] {
  const weights = formatBytes(opened.tensors - before.tensors);
  const peak = formatBytes(memoryUse().peak);
  const idle = formatBytes(before.resident);
  return [
    ['execution', 'matrices stay packed'],
    ['weights', `${weights} in memory, ${formatBytes(predicted)} predicted`],
    ['process', `${peak} at its peak, ${idle} before the model was opened`],
  ];
}

/** {@link packedFacts} for a result in JSON. */
export function packedJson(
  checkpoint: Checkpoint,
  hierarchy: Hierarchy,
  execution?: PackedExecution,
): object {
  if (!isPackedCheckpoint(checkpoint)) return {};
  const { planId, resolvedPlan } = checkpoint;
  const bytes = footprintOf(hierarchy, resolvedPlan).total;
  return { packed: { planId, bytes, ...(execution && { memory: memoryJson(execution) }) } };
}

function memoryJson({ before, opened }: PackedExecution): object {
  return {
    weights: opened.tensors - before.tensors,
    residentBefore: before.resident,
    peak: memoryUse().peak,
  };
}
