export { keyId, type KeyFilter, type MeasurementKey } from './key.js';
export { memoryStore } from './memory-store.js';
export { openStore } from './sqlite/open.js';
export type {
  Extras,
  GetOrMeasureOptions,
  Holder,
  MeasurementStore,
  MemoisedMeasurement,
  Outcome,
  Run,
  RunChange,
  RunLog,
  RunState,
  SetAside,
  StoredMeasurement,
  StoredVerdict,
  Verdict,
  VerdictLimit,
} from './types.js';
