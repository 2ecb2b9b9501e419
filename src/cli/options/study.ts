import { availableParallelism } from 'node:os';
import { Option, type Command } from 'commander';
import { startBackend, type BackendName, type BackendReport } from '../../backend/start.js';
import type { Accelerations } from '../../experiment/scoring/evaluator.js';
import { openModelFile, type ModelFile } from '../../experiment/open/model-file.js';
import { TASKS } from '../../experiment/open/build-task.js';
import { RUNS_FOLDER, STORE_FILE } from '../../experiment/record/run-record.js';
import { buildStudyTasks, type StudyTasksRequest } from '../../experiment/open/study-tasks.js';
import { Study } from '../../experiment/open/study.js';
import { openStore, type MeasurementStore } from '../../store/index.js';
import { backendFact, configFacts, taskFacts } from '../format/facts.js';
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
import { requireUnpacked } from '../format/packed.js';
import type { Session } from '../session.js';
import type { Fact } from '../format/table.js';

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
      ).choices(TASKS),
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

/** More threads than this wait for memory rather than compute. */
const MOST_WORKERS = 4;

/** Native TensorFlow has threads of its own, and would load its library once a worker. */
export function defaultWorkers(backend: BackendName): number {
  return backend === 'tensorflow' ? 0 : Math.min(MOST_WORKERS, availableParallelism());
}

/** A study, and what to say of it. */
export interface OpenStudy {
  readonly study: Study;
  readonly file: ModelFile;
  readonly backend: BackendReport;
}

/** Opens everything a study needs, runs `work`, closes it again. */
export async function withStudy(
  session: Session,
  model: string,
  flags: StudyFlags,
  work: (open: OpenStudy) => Promise<void>,
): Promise<void> {
  const backend = await startBackend(flags.backend);
  const file = await openModelFile(model, modelOptionsOf(flags));
  try {
    requireUnpacked(file.checkpoint);
    const tasks = await buildStudyTasks(flags, file.tokenizer, file);
    const store = await openReportedStore(session, flags.store);
    try {
      const { prefix, exit, verdicts, memo } = flags;
      const workers = flags.workers ?? defaultWorkers(backend.name);
      const accelerations: Accelerations = { prefix, exit, verdicts, memo, workers };
      const study = await Study.open({ file, backend, ...tasks, store, accelerations });
      try {
        await work({ study, file, backend });
      } finally {
        await study.close();
      }
    } finally {
      store.close();
    }
  } finally {
    await file.close();
  }
}

/** Opens the store, and says so where a damaged one was set aside. */
export async function openReportedStore(session: Session, path: string): Promise<MeasurementStore> {
  const store = await openStore(path);
  const { setAside } = store;
  if (setAside !== undefined)
    session.warn(
      `the store was damaged (${setAside.reason}); it lies now at ${setAside.path}, and ` +
        `${setAside.recovered} entries were taken over into a new one`,
    );
  return store;
}

/** Model, data and backend. */
export function studyFacts({ study, file, backend }: OpenStudy): Fact[] {
  const { search, heldOut } = study.options;
  const held: Fact =
    heldOut === undefined
      ? ['held out', 'nothing: no figure below is free of selection (--held-out)']
      : ['held out', `${heldOut.task.source}: ${heldOut.task.items} ${itemsOf(heldOut.task)}`];
  return [
    ['model', file.name],
    ['sha256', study.sha256],
    ...configFacts(file),
    backendFact(backend),
    ...taskFacts(search.task),
    held,
  ];
}

function itemsOf({ metric }: { readonly metric: string }): string {
  return metric === 'accuracy' ? 'sentences' : 'windows';
}
