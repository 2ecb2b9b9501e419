import type { ResolvedPlan } from '../../quant/plan.js';
import type { Evaluate, EvaluationContext } from '../../search/evaluation.js';
import { FULL_PRECISION, type Assignment } from '../../search/space.js';
import type { Task } from '../../tasks/task.js';
import type { RunOptions } from '../../util/progress.js';
import type { ModelSpace } from '../open/model-space.js';
import type { Study } from '../open/study.js';
import { DRIFT_VERSION, driftItems } from './membrane-drift.js';
import { observablesOf, OBSERVABLES_VERSION, Observer, type Observables } from './observables.js';
import {
  observedItems,
  OBSERVED_LIMITS,
  type ObservedItems,
  type ObservedLimits,
} from './observed-items.js';

/** The drift's name in the store. */
export function driftKey(task: Task, vocabSize: number): string {
  return `membraneDrift@${DRIFT_VERSION}, ${driftItems(task, vocabSize).description}`;
}

/**
 * A study's evaluations with {@link Observables} among their extras. They are kept in the store beside the
 * measurement; the model is only loaded for those that are not there. A plan that breaks the model has none.
 */
export class ObservedEvaluate {
  private readonly items: ObservedItems;
  private observer: Promise<Observer> | undefined;

  constructor(
    private readonly study: Study,
    private readonly space: ModelSpace,
    private readonly limits: ObservedLimits = OBSERVED_LIMITS,
  ) {
    this.items = observedItems(study.task, study.options.file.config.vocabSize, limits);
  }

  /** The items that the observables are taken from: "first 200 sentences". */
  get description(): string {
    return this.items.description;
  }

  /** The study's `evaluate`, with observables. */
  readonly evaluate: Evaluate = async (assignment: Assignment, context: EvaluationContext) => {
    const evaluation = await this.study.evaluator.evaluateIn(this.space)(assignment, context);
    if (evaluation.kind === 'verdict' || Number.isNaN(evaluation.metric)) return evaluation;
    const plan = this.space.resolve(assignment);
    if ([...plan.values()].every(({ bits }) => bits === FULL_PRECISION)) return evaluation;
    const { signal } = context;
    const observables = await this.observe(plan, { ...(signal && { signal }) });
    return { ...evaluation, extras: { ...evaluation.extras, ...observables } };
  };

  private async observe(plan: ResolvedPlan, options: RunOptions): Promise<Observables> {
    const { store, evaluator, accelerations } = this.study;
    const key = evaluator.keyOf(plan);
    const stored = accelerations.memo ? store.get(key) : undefined;
    const names = observablesOf(this.study.options.file);
    const known = names.map((name) => [name, stored?.extras?.[this.keptAs(name)]] as const);
    if (known.every(([, value]) => typeof value === 'number'))
      return Object.fromEntries(known) as unknown as Observables;
    const found =
      (await this.study.observeElsewhere(plan, this.limits, options)) ??
      (await (await this.opened()).measure(plan, options));
    if (stored !== undefined) {
      const extras = names.map((name) => [this.keptAs(name), found[name]!] as const);
      store.put(key, { ...stored, extras: Object.fromEntries(extras) });
    }
    return found;
  }

  /** An observable's name in the store: another definition or other items are another figure. */
  private keptAs(name: string): string {
    if (name === 'membraneDrift')
      return driftKey(this.study.task, this.study.options.file.config.vocabSize);
    return `${name}@${OBSERVABLES_VERSION}, ${this.items.description}`;
  }

  private opened(): Promise<Observer> {
    const { file, search } = this.study.options;
    this.observer ??= Observer.open({
      checkpoint: file.checkpoint,
      description: file,
      task: search.task,
      items: this.items,
    });
    return this.observer;
  }

  /** Frees the weights. */
  async close(): Promise<void> {
    (await this.observer?.catch(() => undefined))?.close();
    this.observer = undefined;
  }
}
