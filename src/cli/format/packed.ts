import type { Checkpoint } from '../../checkpoint/types.js';
import { footprintOf } from '../../quant/footprint.js';
import type { Hierarchy } from '../../layout/hierarchy.js';
import { isPackedCheckpoint } from '../../quant/packed/read.js';
import { formatBytes } from '../../util/format.js';
import { formatPercent } from '../../util/format.js';
import type { Fact } from './table.js';

/** What a packed model is made of; nothing for one that is not. */
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
