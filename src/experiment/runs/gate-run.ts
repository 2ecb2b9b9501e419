import { Gate, type GateUsed } from '../../search/gate.js';
import { openDrift } from '../observe/drift-of-plans.js';
import type { ModelSpace } from '../open/model-space.js';
import type { Study } from '../open/study.js';
import type { GateSettings } from './search-settings.js';

/** Refusals of a run's gate and their threshold; the same whenever the run is repeated. */
export interface GateReport extends GateUsed {
  /** The items that the drift is taken from: "first 16 sentences". */
  readonly observed: string;
}

/** Cost of a run's gate since the run's last start. */
export interface GateWork {
  /** Drifts worked out; a search that is taken up works them out again, since none is stored. */
  readonly computed: number;
  /** Of computing them, on the clock, loading the weights included. */
  readonly seconds: number;
}

/** A gate on a study's own model, which is loaded once a drift is asked for. */
export interface OpenGate {
  readonly gate: Gate;
  report(): GateReport;
  work(): GateWork;
  close(): Promise<void>;
}

/** @throws {ModelError} for a family whose membranes are not known. {SearchError} for a bad threshold. */
export function openGate(study: Study, space: ModelSpace, { threshold }: GateSettings): OpenGate {
  const drift = openDrift(study, space);
  const gate = new Gate(drift.driftOf, threshold);
  return {
    gate,
    report: () => ({ ...gate.used, observed: drift.observed }),
    work: drift.work,
    close: drift.close,
  };
}
