/** The 95 % interval of a plan's loss against another's, item by item: positive is worse. */
export interface LossAgainst {
  /** Step of the other plan. */
  readonly step: number;
  readonly low: number;
  readonly high: number;
}

/** For the step of each plan measured to the end, its losses against such plans of earlier steps. */
export type Differences = ReadonlyMap<number, readonly LossAgainst[]>;
