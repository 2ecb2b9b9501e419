import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { whenUnlocked, type Run, type RunState } from '../../store/index.js';
import { describeMachine } from '../../store/machine.js';
import { AbortedError } from '../../util/errors.js';
import { saveFileWithin } from '../../util/files.js';
import { canonicalJson, type Json } from '../../util/json.js';
import { packageVersion } from '../../util/version.js';
import type { Study } from '../open/study.js';
import { jsonText, readRun, RUNS_FOLDER } from './folder.js';
import { RUN_FILE, RUN_FORMAT, type RunConfig, type RunJson, type WorkJson } from './schema.js';
import { plainJson } from './search-files.js';

/** The file of measurements, unless a caller says otherwise. */
export const STORE_FILE = join('out', 'measurements.sqlite');

export interface RunPlace {
  /** Folder of all runs; {@link RUNS_FOLDER} by default. */
  readonly runs?: string | undefined;
  /** The command line, for the record. */
  readonly command?: readonly string[] | undefined;
}

/** A run as its `start` describes it. */
export interface RunStart extends RunPlace {
  readonly study: Study;
  readonly kind: string;
  readonly settings: Json;
}

/**
 * A run while it lasts: its entry in the store and its folder. Files are written whole or not at all.
 *
 * A run that was killed is found again by its configuration and continued under the same id: what it had
 * measured is in the store, so it only has to be walked through again.
 */
export class RunRecord {
  private constructor(
    private readonly start: RunStart,
    private readonly run: Run,
    private readonly config: RunConfig,
    /** Path of the run's folder. */
    readonly folder: string,
    /** True where it continues one that was interrupted. */
    readonly resumed: boolean,
    private readonly starts: string[],
  ) {}

  /** Begins a run, or takes up the last one of the same kind and configuration that was interrupted. */
  static async begin(start: RunStart): Promise<RunRecord> {
    const { study, kind, settings, runs = RUNS_FOLDER } = start;
    const log = study.store.runs;
    const config: RunConfig = { ...study.identity(), settings };
    const kept = plainJson(config);
    const same = canonicalJson(kept);
    const interrupted = log
      .list({ kind, state: 'interrupted' })
      .findLast((run) => canonicalJson(run.config) === same);
    const run = await whenUnlocked(() =>
      interrupted === undefined
        ? log.create({ kind, config: kept })
        : log.update(interrupted.id, { state: 'running' }),
    );
    const folder = join(runs, run.id);
    const before = interrupted ? await startsOf(folder) : [];
    const starts = [...before, new Date().toISOString()];
    const record = new RunRecord(start, run, config, folder, interrupted !== undefined, starts);
    await record.save('running', {});
    return record;
  }

  /** The run's id in the store, and the name of its folder. */
  get id(): string {
    return this.run.id;
  }

  /** Writes a file into the run's folder, whole or not at all. @throws {OutputError} when that fails. */
  async write(name: string, content: string): Promise<void> {
    await saveFileWithin(this.folder, join(this.folder, name), content);
  }

  /** A file that was written before the run was interrupted; undefined where there is none. */
  async kept(name: string): Promise<string | undefined> {
    if (!this.resumed) return undefined;
    return readFile(join(this.folder, name), 'utf8').catch(() => undefined);
  }

  /**
   * Closes the run as finished. The store learns of it last: whatever happens before, the run is taken up
   * again and ends the same.
   *
   * @param summary for listings
   */
  async finish(result: Json, work: WorkJson, summary: Json): Promise<void> {
    await this.save('finished', { result, work });
    await this.report('finished', summary as Readonly<Record<string, Json>>);
  }

  /** Closes the run after an error: interrupted on request, or failed. */
  async fail(error: unknown): Promise<void> {
    const state = error instanceof AbortedError ? 'interrupted' : 'failed';
    const message = error instanceof Error ? error.message : String(error);
    await this.save(state, { error: message });
    await this.report(state, { error: message });
  }

  private async report(state: RunState, result: Readonly<Record<string, Json>>): Promise<void> {
    const { runs } = this.start.study.store;
    const change = { state, result: { folder: resolve(this.folder), ...result } };
    // An hour's work is not given up for a lock.
    await whenUnlocked(() => runs.update(this.id, change));
  }

  private async save(
    state: RunState,
    { result = null, work = null, error }: Partial<Pick<RunJson, 'result' | 'work' | 'error'>>,
  ): Promise<void> {
    const { study, kind, command } = this.start;
    const { file, backend } = study.options;
    const origins = await study.origins();
    const json: RunJson = {
      format: RUN_FORMAT,
      id: this.id,
      kind,
      state,
      starts: this.starts,
      finishedAt: state === 'running' ? null : new Date().toISOString(),
      ...(command && { command: [...command] }),
      versions: {
        qslm: packageVersion(),
        node: process.versions.node,
        backend: backend.description,
      },
      machine: describeMachine(),
      paths: { checkpoint: resolve(file.checkpoint.path), store: study.store.path ?? null },
      ...(Object.keys(origins).length > 0 && { origins }),
      titles: {
        search: study.task.title,
        ...(study.options.heldOut && { heldOut: study.options.heldOut.task.title }),
      },
      config: this.config,
      accelerations: { ...study.accelerations },
      result,
      work,
      ...(error !== undefined && { error }),
    };
    await this.write(RUN_FILE, jsonText(json));
  }
}

/** The starts that a run's folder knows of; none where it was killed before it wrote any. */
async function startsOf(folder: string): Promise<readonly string[]> {
  return readRun(folder).then(
    ({ starts }) => starts,
    () => [],
  );
}
