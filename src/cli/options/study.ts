import type { Command } from 'commander';
import { openStudy } from '../../experiment/open/open-study.js';
import type { StudyTasksRequest } from '../../experiment/open/study-tasks.js';
import type { Study } from '../../experiment/open/study.js';
import { RUNS_FOLDER } from '../../experiment/record/folder.js';
import { STORE_FILE } from '../../experiment/record/run-record.js';
import { openStore, type MeasurementStore, type SetAside } from '../../store/index.js';
import { backendFact, configFacts, itemsText } from '../format/facts.js';
import type { Fact } from '../format/table.js';
import type { Session } from '../session.js';
import { calibrationOf, type CalibrationFlags } from './calibration.js';
import {
  dataOptions,
  integerFrom,
  modelOptionsOf,
  positiveInteger,
  withModelOptions,
  withResultOptions,
  type BackendFlags,
  type ModelFlags,
} from './common.js';
import { queueOf, withQueueOptions, type QueueFlags } from './queue.js';

/** Flags of commands that measure many plans and remember them. */
export interface StudyFlags
  extends ModelFlags, BackendFlags, StudyTasksRequest, StoreFlags, RunsFlags, QueueFlags {
  readonly calibration?: string;
  readonly workers?: number;
  readonly prefix: boolean;
  readonly exit: boolean;
  readonly verdicts: boolean;
  readonly memo: boolean;
}

export interface StoreFlags {
  readonly store: string;
}

export interface RunsFlags {
  readonly runs: string;
}

export function withStoreOption(command: Command): Command {
  return command.option('--store <file>', 'where measurements are kept', STORE_FILE);
}

export function withRunsOption(command: Command): Command {
  return command.option('--runs <folder>', 'where runs are kept, a folder each', RUNS_FOLDER);
}

/** Adds all that a command needs that opens a study: model, data, backend, store, accelerations, machines. */
export function withStudyOptions(command: Command): Command {
  return withResultOptions(withQueueOptions(withPlaces(command)));
}

/** The same for a command whose work is this machine's alone. */
export function withLocalStudyOptions(command: Command): Command {
  return withResultOptions(withPlaces(command));
}

function withPlaces(command: Command): Command {
  const { task, natural, context, limit, pooling } = dataOptions();
  command
    .addOption(task)
    .option(
      '--data <file>',
      'what to search on: a .tsv (sst2), a text (wikitext2), .parquet, or fetched data as wikitext2:validation; default: a part of the bundled samples',
    )
    .option(
      '--held-out <file>',
      'what the result is judged by; default: the rest of the bundled samples, none with --data',
    )
    .addOption(natural)
    .addOption(context)
    .addOption(limit)
    .option('--held-out-limit <count>', 'the same of the held-out data', positiveInteger)
    .addOption(pooling);
  return withRunsOption(withStoreOption(withModelOptions(command)))
    .option('--workers <count>', 'threads; default: by backend and processor', integerFrom(0))
    .option('--no-prefix', 'compute also what is the same as for the plan before')
    .option('--no-exit', 'compute on where the spikes are those of a plan before')
    .option('--no-verdicts', 'measure to the end also where pass or fail is certain')
    .option('--no-memo', 'measure again what the store knows');
}

/** Opens everything a study needs, runs `work`, closes it again. */
export async function withStudy(
  session: Session,
  model: string,
  flags: StudyFlags & CalibrationFlags,
  work: (study: Study) => Promise<void>,
): Promise<void> {
  const { prefix, exit, verdicts, memo, workers, backend, store } = flags;
  const { task, data, heldOut, natural, context, limit, heldOutLimit, pooling } = flags;
  const calibration = calibrationOf(flags);
  const queue = queueOf(session, flags);
  const study = await openStudy(model, {
    ...(calibration !== undefined && { calibration }),
    ...(queue && { queue }),
    ...{ task, data, heldOut, natural, context, limit, heldOutLimit, pooling },
    backend,
    model: modelOptionsOf(flags),
    store,
    onRemark: session.remark,
    onSetAside: (what) => {
      session.warn(setAsideText(what));
    },
    onStoreNews: (text) => {
      session.warn(text);
    },
    accelerations: { prefix, exit, verdicts, memo, ...(workers !== undefined && { workers }) },
  });
  try {
    await work(study);
  } finally {
    await study.close();
  }
}

/** Opens the store, says so where a damaged one was set aside, runs `work`, closes it again. */
export async function withStore<T>(
  session: Session,
  path: string,
  work: (store: MeasurementStore) => T | Promise<T>,
): Promise<T> {
  const { signal } = session;
  const tell = (text: string): void => {
    session.warn(text);
  };
  const store = await openStore(path, { tell, signal });
  try {
    if (store.setAside !== undefined) session.warn(setAsideText(store.setAside));
    return await work(store);
  } finally {
    store.close();
  }
}

function setAsideText({ part, reason, path, recovered }: SetAside): string {
  if (part === 'log') return `${reason}; a copy of the log lies at ${path}`;
  return (
    `the store was damaged (${reason}); it lies now at ${path}, and ` +
    `${recovered} entries were taken over into a new one`
  );
}

/** Model, data and backend. */
export function studyFacts({ options, sha256 }: Study): Fact[] {
  const { search, heldOut, file, backend, calibration } = options;
  const held: Fact =
    heldOut === undefined
      ? ['held out', 'nothing: no figure below is free of selection (--held-out)']
      : ['held out', `${heldOut.task.source}: ${itemsText(heldOut.task)}`];
  return [
    ['model', file.name],
    ['sha256', sha256],
    ...configFacts(file),
    backendFact(backend),
    ...search.task.describe(),
    held,
    ...(calibration ? [['calibrated on', calibration.source] as const] : []),
  ];
}
