import { Option, type Command } from 'commander';
import { STORE_FILE } from '../../experiment/record/run-record.js';
import { type StudyTasksRequest } from '../../experiment/open/study-tasks.js';
import type { Study } from '../../experiment/open/study.js';
import { openStore, type MeasurementStore, type SetAside } from '../../store/index.js';
import { backendFact, configFacts } from '../format/facts.js';
import {
  integerFrom,
  modelOptionsOf,
  positiveInteger,
  withBackendOption,
  withCommonOptions,
  withConfigOptions,
  withResultFile,
  withTokenizerOption,
  type BackendFlags,
  type ModelFlags,
} from './common.js';
import type { Session } from '../session.js';
import type { Fact } from '../format/table.js';
import { TASK_NAMES } from '../../tasks/kinds.js';
import { metricOf } from '../../tasks/metrics/metrics.js';
import type { Task } from '../../tasks/task.js';
import { formatCounted } from '../../util/format.js';
import { RUNS_FOLDER } from '../../experiment/record/folder.js';
import { openStudy } from '../../experiment/open/open-study.js';

/** Flags of commands that measure many plans and remember them. */
export interface StudyFlags
  extends ModelFlags, BackendFlags, StudyTasksRequest, StoreFlags, RunsFlags {
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

/** Adds what a command needs that opens a study: model, data, backend, store, accelerations. */
export function withStudyOptions(command: Command): Command {
  command
    .argument('<model>', 'checkpoint file, folder, or name of a bundled model')
    .addOption(
      new Option(
        '--task <task>',
        'sst2: accuracy; wikitext2: perplexity; default: by data and model',
      ).choices(TASK_NAMES),
    )
    .option(
      '--data <file>',
      'what to search on: a .tsv (sst2) or a text (wikitext2); default: a part of the bundled samples',
    )
    .option(
      '--held-out <file>',
      'what the result is judged by; default: the rest of the bundled samples, none with --data',
    )
    .option('--natural', "the data is ordinary text: bring it into the task's style first")
    .option(
      '--context <tokens>',
      "inputs of a window; default: the model's context",
      positiveInteger,
    )
    .option('--limit <count>', 'first sentences, or tokens to predict, at most', positiveInteger)
    .option('--held-out-limit <count>', 'the same of the held-out data', positiveInteger)
    .addOption(
      new Option(
        '--pooling <kind>',
        'what a sentence is averaged over; all-positions includes padding, as the prototype does',
      ).choices(['real-tokens', 'all-positions']),
    );
  withTokenizerOption(command);
  withConfigOptions(command);
  withBackendOption(command);
  withRunsOption(withStoreOption(command));
  command
    .option('--workers <count>', 'threads; default: by backend and processor', integerFrom(0))
    .option('--no-prefix', 'compute also what is the same as for the plan before')
    .option('--no-exit', 'compute on where the spikes are those of a plan before')
    .option('--no-verdicts', 'measure to the end also where pass or fail is certain')
    .option('--no-memo', 'measure again what the store knows');
  return withCommonOptions(withResultFile(command));
}

/** Opens everything a study needs, runs `work`, closes it again. */
export async function withStudy(
  session: Session,
  model: string,
  flags: StudyFlags,
  work: (study: Study) => Promise<void>,
): Promise<void> {
  const { prefix, exit, verdicts, memo, workers, backend, store } = flags;
  const { task, data, heldOut, natural, context, limit, heldOutLimit, pooling } = flags;
  const study = await openStudy(model, {
    ...{ task, data, heldOut, natural, context, limit, heldOutLimit, pooling },
    backend,
    model: modelOptionsOf(flags),
    store,
    onSetAside: (what) => {
      session.warn(setAsideText(what));
    },
    accelerations: { prefix, exit, verdicts, memo, ...(workers !== undefined && { workers }) },
  });
  try {
    await work(study);
  } finally {
    await study.close();
  }
}

/** Opens the store, and says so where a damaged one was set aside. */
export async function openReportedStore(session: Session, path: string): Promise<MeasurementStore> {
  const store = await openStore(path);
  if (store.setAside !== undefined) session.warn(setAsideText(store.setAside));
  return store;
}

function setAsideText({ reason, path, recovered }: SetAside): string {
  return (
    `the store was damaged (${reason}); it lies now at ${path}, and ` +
    `${recovered} entries were taken over into a new one`
  );
}

/** Model, data and backend. */
export function studyFacts({ options, sha256 }: Study): Fact[] {
  const { search, heldOut, file, backend } = options;
  const held: Fact =
    heldOut === undefined
      ? ['held out', 'nothing: no figure below is free of selection (--held-out)']
      : ['held out', `${heldOut.task.source}: ${itemsOf(heldOut.task)}`];
  return [
    ['model', file.name],
    ['sha256', sha256],
    ...configFacts(file),
    backendFact(backend),
    ...search.task.describe(),
    held,
  ];
}

function itemsOf({ items, metric }: Task): string {
  const { one, many } = metricOf(metric).item;
  return formatCounted(items, one, many);
}
