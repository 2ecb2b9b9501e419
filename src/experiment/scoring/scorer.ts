import { startBackend } from '../../backend/start.js';
import type { Checkpoint, FileContent } from '../../checkpoint/types.js';
import { AcceleratedModel, type ReuseOptions } from '../../model/accelerated-model.js';
import type { StatedConfig } from '../../model/config.js';
import { LoadedModel } from '../../model/loaded-model.js';
import { planStages } from '../../model/plan-stages.js';
import { openDescribed, type ModelDescription } from '../../model/structure.js';
import { addWork, noWork, type Work } from '../../model/work.js';
import { withCodes, type CalibratedCodes, type WeightSource } from '../../quant/matrix-values.js';
import type { ResolvedPlan } from '../../quant/plan.js';
import { scoreBatch } from '../../tasks/evaluate.js';
import { taskFromParts } from '../../tasks/kinds.js';
import type { BatchScores, Task, TaskParts } from '../../tasks/task.js';
import { yieldToEvents } from '../../util/progress.js';
import { keptCodes } from '../calibrate/kept-codes.js';
import { Observer } from '../observe/observables.js';
import { observedItems, type ObservedLimits } from '../observe/observed-items.js';
import { PlanApplier } from './plan-applier.js';
import { certainVerdict, SharedTally, type VerdictQuestion } from './verdict.js';

/** The options of a scorer; plain data. */
export interface ScorerOptions {
  /** Path of a checkpoint. */
  readonly checkpoint: string;
  /** The content that its hash is of; by default what is found there. */
  readonly content?: FileContent | undefined;
  /** Family and settings of its model. */
  readonly stated: StatedConfig;
  readonly backend: string;
  /** Its identity, as the numbers are stored under: every thread has to compute like that. */
  readonly identity: string;
  readonly reuse: ReuseOptions;
  /** Id of the calibrated integers that plans may ask for ({@link keptCodes}). */
  readonly calibration?: string | undefined;
}

/** Some batches of a task under one plan; plain data. */
export interface ScoreRequest {
  readonly plan: ResolvedPlan;
  /** Batches to score, by index. */
  readonly batches: readonly number[];
  /** Absent where every batch is wanted. */
  readonly question?: VerdictQuestion;
  /** True begins without what was kept of earlier plans, and keeps nothing: what such a plan takes by itself. */
  readonly alone?: boolean;
  /** {@link SharedTally.buffer} of this evaluation. */
  readonly tally: SharedArrayBuffer;
}

export interface ScoreReply {
  /** Of the batches scored before the verdict was certain. */
  readonly scores: readonly BatchScores[];
  readonly work: Work;
}

/** Scores plans on a task with one model on this thread's backend. */
export class Scorer {
  private task: Task | undefined;

  private constructor(
    private readonly checkpoint: Checkpoint & WeightSource,
    private readonly model: LoadedModel,
    private readonly accelerated: AcceleratedModel,
    private readonly applier: PlanApplier,
  ) {}

  /**
   * Starts the backend and loads the model.
   *
   * @param codes by default those that are kept here of the calibration
   */
  static async open(options: ScorerOptions, codes?: CalibratedCodes): Promise<Scorer> {
    const { checkpoint: path, content, stated, backend, identity, reuse, calibration } = options;
    await startBackend(backend, identity);
    const { checkpoint, description } = await openDescribed(path, stated, content);
    try {
      const model = await LoadedModel.load(checkpoint, { description });
      const kept = calibration === undefined ? undefined : keptCodes(calibration);
      const source = withCodes(checkpoint, codes ?? kept);
      const applier = new PlanApplier(model, source);
      return new Scorer(source, model, new AcceleratedModel(model, reuse), applier);
    } catch (error) {
      await checkpoint.close();
      throw error;
    }
  }

  /** Of the model that it has. */
  get description(): ModelDescription {
    return this.model.description;
  }

  /**
   * Looks into its model on the first items of its task, between two scorings: keep no longer than the task.
   *
   * @throws {Error} before {@link useTask}.
   */
  observer(limits: ObservedLimits): Observer {
    const { model, checkpoint, applier, task } = this;
    if (task === undefined) throw new Error('useTask comes before observer');
    const { batches } = observedItems(task, model.vocabSize, limits);
    return new Observer(model, checkpoint, applier, task, batches);
  }

  /** Takes another task, or another arrangement of one; the streams kept for the last one go. */
  useTask(parts: TaskParts): void {
    this.accelerated.clear();
    this.task = taskFromParts(parts);
  }

  /** Scores batches until all are done, the question is settled, or the tally says stop. */
  async score({ plan, batches, question, tally, alone }: ScoreRequest): Promise<ScoreReply> {
    const { task, accelerated, model } = this;
    if (task === undefined) throw new Error('useTask comes before score');
    const shared = new SharedTally(tally);
    const work = noWork();
    if (alone) accelerated.clear();
    await this.applier.apply(plan);
    accelerated.usePlan(planStages(plan, model.description.layout));
    const scores: BatchScores[] = [];
    for (const index of batches) {
      if (shared.stopped) break;
      if (question && certainVerdict(question, shared.read())) break;
      const result = await scoreBatch(task, accelerated, index);
      scores.push(result);
      shared.add(result, tokensOf(task, result));
      await yieldToEvents();
    }
    if (alone) accelerated.clear();
    addWork(work, accelerated.work);
    Object.assign(accelerated.work, noWork());
    for (const index of batches.slice(scores.length))
      work.savedByVerdict += accelerated.costOf(task.batches[index].inputs);
    return { scores, work };
  }

  /** Frees the weights and closes the checkpoint. */
  async close(): Promise<void> {
    this.accelerated.clear();
    this.model.dispose();
    await this.checkpoint.close();
  }
}

function tokensOf({ itemTokens }: Task, { indices }: BatchScores): number {
  return indices.reduce((sum, index) => sum + itemTokens[index], 0);
}
