import { createRequire } from 'node:module';
import type * as SimpleStatistics from 'simple-statistics' with { 'resolution-mode': 'import' };

// simple-statistics ships a CommonJS build, but its one declaration file says "ES module", so
// TypeScript refuses a plain import from our CommonJS code. Types and value are taken apart here.
const library = createRequire(__filename)('simple-statistics') as typeof SimpleStatistics;

/** Gaussian error function, relative error of 1 − erf below 1.2e-7. */
export const errorFunction: (x: number) => number = library.errorFunction;
/** Probabilities of 0, 1, 2, … successes; the far upper tail may be left out. */
export const binomialDistribution: (trials: number, probability: number) => number[] | undefined =
  library.binomialDistribution;
/** Unbiased (n − 1). */
export const sampleVariance: (values: number[]) => number = library.sampleVariance;
/** Quantile of the standard normal distribution, to about 0.1 % of its value. */
export const normalQuantile: (probability: number) => number = library.probit;
