import { Option, type Command } from 'commander';
import { locateCheckpoint } from '../../experiment/open/model-file.js';
import type { Hierarchy, UnitLevel } from '../../layout/hierarchy.js';
import type { ModelConfig } from '../../model/config.js';
import { openDescribed } from '../../model/structure.js';
import { footprintOf } from '../../quant/footprint.js';
import { isPackedCheckpoint, type PackedCheckpoint } from '../../quant/packed/read.js';
import { formatBytes, formatCount, formatPercent } from '../../util/format.js';
import { configFacts, configJson } from '../format/facts.js';
import { hierarchyTable } from '../format/hierarchy-table.js';
import { formatFacts } from '../format/table.js';
import type { Host } from '../host.js';
import {
  statedOf,
  withConfigOptions,
  withResultOptions,
  type ModelFlags,
} from '../options/common.js';
import { Session } from '../session.js';

interface InspectFlags extends ModelFlags {
  readonly level: UnitLevel;
  readonly unfold?: boolean;
}

export function addInspect(program: Command, host: Host): void {
  const command = program
    .command('inspect')
    .description('show what a checkpoint holds: blocks, modules, matrices; reads no weights')
    .argument('<model>', 'checkpoint file, folder, or name of a bundled model')
    .addOption(
      new Option('--level <level>', 'how deep to go')
        .choices(['block', 'module', 'matrix'])
        .default('matrix'),
    )
    .option('--unfold', 'every block, also those built alike');
  withResultOptions(withConfigOptions(command))
    .addHelpText('after', '\nExample:\n  $ qslm inspect spikegpt-mini')
    .action((model: string, flags: InspectFlags) =>
      Session.run(host, flags, (session) => inspect(session, model, flags)),
    );
}

async function inspect(session: Session, model: string, flags: InspectFlags): Promise<void> {
  const { name, path } = await locateCheckpoint(model);
  const { checkpoint, description } = await openDescribed(path, statedOf(flags));
  try {
    const { family, config, hierarchy } = description;
    const packed = isPackedCheckpoint(checkpoint) ? checkpoint : undefined;
    const dtypes = new Set([...checkpoint.tensors.values()].map(({ dtype }) => dtype));
    const kept = packed ? 'packed' : [...dtypes].join(', ');
    const size = `${formatBytes(hierarchy.fp32Bytes)} in float32`;
    const facts = formatFacts([
      ['model', name],
      ['file', `${path} (${checkpoint.format}, ${kept})`],
      ...(packed ? [['packed', packedSize(packed, hierarchy)] as const] : []),
      ['parameters', `${formatCount(hierarchy.parameters)}; ${size}`],
      ['family', family.title],
      ['shape', family.describe(config).join(', ')],
      ['outputs', outputsOf(config)],
      ...configFacts(description),
    ]);
    const text = `${facts}\n\n${hierarchyTable(hierarchy, flags.level, flags.unfold, packed?.resolvedPlan)}`;
    const { format, metadata } = checkpoint;
    const value = {
      name,
      path,
      format,
      metadata,
      ...configJson(description),
      hierarchy,
      ...(packed && { plan: packed.plan, planId: packed.planId }),
    };
    await session.result(value, text, flags.out);
  } finally {
    await checkpoint.close();
  }
}

function packedSize({ planId, resolvedPlan }: PackedCheckpoint, hierarchy: Hierarchy): string {
  const { total } = footprintOf(hierarchy, resolvedPlan);
  const saving = formatPercent(1 - total / hierarchy.fp32Bytes);
  return `${formatBytes(total)}, ${saving} less than in float32; plan ${planId}`;
}

function outputsOf({ head, classes }: ModelConfig): string {
  if (classes === 0) return head ? 'language-model head' : 'none';
  const classifier = `classifier of ${classes} classes`;
  return head ? `${classifier}; the language-model head is there, but not used` : classifier;
}
