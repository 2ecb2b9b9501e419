import type { Checkpoint } from '../../checkpoint/types.js';
import type { Hierarchy } from '../../layout/hierarchy.js';
import { footprintOf } from '../../quant/footprint.js';
import { isPackedCheckpoint } from '../../quant/packed/read.js';
import { formatBytes, formatPercent } from '../../util/format.js';
import type { Fact } from './table.js';

/** Plan, size and saving of a packed model; nothing for one that is not. */
export function packedFacts(checkpoint: Checkpoint, hierarchy: Hierarchy): Fact[] {
  if (!isPackedCheckpoint(checkpoint)) return [];
  const { total } = footprintOf(hierarchy, checkpoint.resolvedPlan);
  const saving = formatPercent(1 - total / hierarchy.fp32Bytes);
  return [['packed', `plan ${checkpoint.planId}: ${formatBytes(total)}, ${saving} saved`]];
}

/** {@link packedFacts} for a result in JSON. */
export function packedJson(checkpoint: Checkpoint, hierarchy: Hierarchy): object {
  if (!isPackedCheckpoint(checkpoint)) return {};
  const { planId, resolvedPlan } = checkpoint;
  return { packed: { planId, bytes: footprintOf(hierarchy, resolvedPlan).total } };
}
