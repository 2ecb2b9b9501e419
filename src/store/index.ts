export { keyId, type KeyFilter, type MeasurementKey, type VerdictLimit } from './key.js';
export { memoryStore } from './memory-store.js';
export { whenUnlocked, type Tell } from './patience.js';
export { openStore, type OpenStoreOptions } from './sqlite/open.js';
export type {
  Answer,
  Extras,
  GetOrMeasureOptions,
  Holder,
  MeasurementStore,
  MemoisedMeasurement,
  MemoisedVerdict,
  Outcome,
  Question,
  Run,
  RunChange,
  RunLog,
  RunState,
  SetAside,
  StoredMeasurement,
  StoredVerdict,
  Verdict,
} from './types.js';
