import type { Checkpoint } from '../../checkpoint/types.js';
import { footprintOf } from '../../quant/footprint.js';
import type { Hierarchy } from '../../layout/hierarchy.js';
import type { PackedCheckpoint } from '../../quant/packed/read.js';
import { formatBytes } from '../../util/format.js';
import { UsageError } from '../../util/errors.js';
import { formatPercent } from '../../util/format.js';
import type { Fact } from './table.js';

function isPackedCheckpoint(checkpoint: Checkpoint): checkpoint is PackedCheckpoint {
  return 'resolvedPlan' in checkpoint;
}

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

/**
 * Refuses to quantize what is quantized: the unquantized model, which it would have to be compared with,
 * is not there any more.
 *
 * @throws {UsageError} for a packed model.
 */
export function requireUnpacked(checkpoint: Checkpoint): void {
  if (!isPackedCheckpoint(checkpoint)) return;
  throw new UsageError({
    what: 'the model is quantized already',
    where: checkpoint.path,
    got: `packed under plan ${checkpoint.planId}`,
    expected: 'the checkpoint it was exported from',
  });
}
