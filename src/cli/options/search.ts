import type { Command } from 'commander';
import {
  casesFor,
  SEARCH_PRESETS,
  type SearchPreset,
  type SearchSettings,
  type Yardsticks,
} from '../../experiment/runs/search-settings.js';
import { needsCalibration } from '../../quant/quantizers.js';
import { CASES, type Bound, type CaseName } from '../../search/constraints.js';
import type { MetricName } from '../../tasks/metrics/metrics.js';
import { UsageError } from '../../util/errors.js';
import type { Session } from '../session.js';
import type { LossAmount } from './amounts.js';
import type { StudyFlags } from './study.js';

/** Flags of a search. */
export interface SearchFlags
  extends
    StudyFlags,
    Omit<SearchSettings, 'constraints' | 'yardsticks' | 'ladder' | 'gate'>,
    Yardsticks {
  readonly maxLoss?: LossAmount;
  readonly maxMemory?: Bound;
  readonly time?: number;
  /** Undefined where neither was said. */
  readonly ladder?: boolean;
  readonly level: number;
  readonly gate?: 'drift';
  readonly gateThreshold?: number;
  readonly minSpeed?: string;
  readonly preset?: SearchPreset;
}

/** The flags with those of their preset that the command line does not give. */
export function withPreset(command: Command, flags: SearchFlags): SearchFlags {
  if (flags.preset === undefined) return flags;
  const own = Object.entries(SEARCH_PRESETS[flags.preset]).filter(
    ([name]) => command.getOptionValueSource(name) !== 'cli',
  );
  return { ...flags, ...Object.fromEntries(own) };
}

/** @throws {UsageError} for options that do not go together, or would be read and do nothing. */
export function checkSearchFlags(command: Command, flags: SearchFlags): void {
  requireOwnMethod(command, flags);
  requireSamples(command, flags);
  requireGate(flags);
  refuseSpeedLimit(flags);
}

/** Options that only one of the methods looks at. */
const OF_METHOD = {
  tiered: ['order', 'pace', 'time', 'ladder', 'level', 'gate', 'gateThreshold'],
  knapsack: ['objective', 'maxEvaluations', 'predictor'],
} as const;

/** @throws {UsageError} for an option that would be read and do nothing. */
function requireOwnMethod(command: Command, flags: SearchFlags): void {
  const { method, order, predictor, calibration, quantizer } = flags;
  if (calibration !== undefined && predictor !== 'fisher' && !needsCalibration(quantizer))
    throw new UsageError({
      what: 'nothing is calibrated on it',
      where: '--calibration',
      got: `--quantizer ${quantizer}, --predictor ${predictor}`,
      expected:
        '--quantizer gptq or spike-preserving, --predictor fisher, or a search without --calibration',
    });
  const other = method === 'tiered' ? 'knapsack' : 'tiered';
  for (const name of OF_METHOD[other]) {
    if (command.getOptionValueSource(name) !== 'cli') continue;
    if (name === 'predictor' && order === 'least-sensitive-first') continue;
    const option = command.options.find((each) => each.attributeName() === name)!;
    throw new UsageError({
      what: `the option belongs to --method ${other}`,
      where: option.long!,
      got: `--method ${method}`,
      expected: `--method ${other}, or a search without ${option.long!}`,
    });
  }
}

/** @throws {UsageError} for a level where no samples decide. */
function requireSamples(command: Command, { ladder, time, level }: SearchFlags): void {
  if (ladder ?? time !== undefined) return;
  if (command.getOptionValueSource('level') !== 'cli') return;
  throw new UsageError({
    what: 'without samples nothing is decided at a level',
    where: '--level',
    got: String(level),
    expected: '--ladder or --time beside it, or a search without --level',
  });
}

/** Told where only one of the two limits is there. */
export function noteMissingLimit(session: Session, { maxLoss, maxMemory }: SearchFlags): void {
  if ((maxLoss === undefined) === (maxMemory === undefined)) return;
  session.note(
    maxMemory === undefined
      ? 'only the loss is limited: a plan of any size will do (--max-memory limits that too)'
      : 'only the memory is limited: a plan of any quality will do (--max-loss limits that too)',
  );
}

function requireGate({ gate, gateThreshold }: SearchFlags): void {
  if (gate !== undefined || gateThreshold === undefined) return;
  throw new UsageError({
    what: 'a threshold without a gate',
    where: '--gate-threshold',
    got: String(gateThreshold),
    expected: '--gate drift with it',
  });
}

/** Refuses a limit on speed where no plan can change it: rounded weights are computed with as float32. */
function refuseSpeedLimit({ minSpeed }: SearchFlags): void {
  if (minSpeed === undefined) return;
  throw new UsageError({
    what: 'a plan does not change the speed of a search, so none can be found by it',
    where: '--min-speed',
    got: minSpeed,
    expected:
      'a search without it, and then `qslm select <run> --min-speed`, which measures packed execution',
  });
}

/** @throws {UsageError} for a case that limits another metric. */
export function requireMetric(name: CaseName, metric: MetricName): void {
  if (CASES[name].metric === metric) return;
  throw new UsageError({
    what: 'the case is about another metric',
    where: '--case',
    got: `${name}, which limits ${CASES[name].metric}, for ${metric}`,
    expected: casesFor(metric).join(', '),
  });
}
