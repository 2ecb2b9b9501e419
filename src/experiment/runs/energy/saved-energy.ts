import { join } from 'node:path';
import * as v from 'valibot';
import { EXECUTIONS } from '../../../energy/measured/real-savings.js';
import { parsePlan } from '../../../quant/plan-json.js';
import type { Plan } from '../../../quant/plan.js';
import { DataError } from '../../../util/errors.js';
import { checked, locateRun, readJson, readRun } from '../../record/folder.js';
import { savedStudy, type SavedStudy } from '../../record/saved-study.js';
import { count, json, number, text } from '../../record/schema-parts.js';
import type { RunJson } from '../../record/schema.js';
import { ENERGY_FORMAT, ENERGY_JSON, type MeasuredEnergyRow } from './measured-energy.js';

const estimate = v.object({ value: number, low: number, high: number, repeats: count });

const row = v.object({
  origin: v.literal('measured'),
  meter: text,
  covers: text,
  resolution: text,
  plan: text,
  joulesPerToken: v.optional(estimate),
  watts: v.optional(estimate),
  tokensPerSecond: v.optional(estimate),
  energyChange: v.optional(estimate),
  powerChange: v.optional(estimate),
  verdict: v.picklist(['lower', 'higher', 'no difference', 'not measured', 'baseline']),
  execution: v.picklist(EXECUTIONS),
  backend: text,
  machine: text,
  task: text,
  model: text,
  bytes: number,
  metric: v.exactOptional(number),
});

const ENERGY = v.object({
  format: v.literal(ENERGY_FORMAT),
  origin: v.literal('measured'),
  absent: v.array(v.object({ name: text, reason: text, needed: v.exactOptional(text) })),
  remarks: v.array(text),
  rows: v.array(row),
  /** Absent of a run of an earlier version, whose modelled energy cannot be laid beside. */
  plans: v.exactOptional(v.array(v.object({ name: text, plan: json }))),
});

/** A finished measurement of energy, read back from its folder. */
export interface SavedEnergy {
  readonly kind: 'energy';
  readonly json: RunJson;
  readonly folder: string;
  readonly study: SavedStudy;
  readonly rows: readonly MeasuredEnergyRow[];
  readonly remarks: readonly string[];
  readonly absent: readonly { readonly name: string; readonly reason: string }[];
  /** The first is the unquantized model. */
  readonly plans: readonly { readonly name: string; readonly plan: Plan }[];
}

/** True of a run that measured energy. @throws {DataError} as `locateRun` and `readRun`. */
export async function isEnergyRun(run: string, runs?: string): Promise<boolean> {
  return (await readRun(await locateRun(run, runs))).kind === 'energy';
}

/** @throws {DataError} for a run that is no measurement of energy, did not finish, or is damaged. */
export async function openEnergyRun(run: string, runs?: string): Promise<SavedEnergy> {
  const folder = await locateRun(run, runs);
  const record = await readRun(folder);
  if (record.kind !== 'energy' || record.state !== 'finished')
    throw new DataError({
      what: 'no measurement of energy',
      where: folder,
      got: `a ${record.kind} that is ${record.state}`,
      expected: 'a finished run of qslm energy --measure',
    });
  const path = join(folder, ENERGY_JSON);
  const { rows, remarks, absent, plans = [] } = checked(await readJson(path), ENERGY, path);
  const study = savedStudy(record);
  const { hierarchy } = study.options.file;
  return {
    ...{ kind: 'energy', json: record, folder, study, remarks, absent },
    // JSON leaves out what was not measured.
    rows: rows.map((own) => ({
      ...own,
      joulesPerToken: own.joulesPerToken,
      watts: own.watts,
      tokensPerSecond: own.tokensPerSecond,
      energyChange: own.energyChange,
      powerChange: own.powerChange,
    })),
    plans: plans.map(({ name, plan }) => ({
      name,
      plan: parsePlan(JSON.stringify(plan), `${path}, ${name}`, hierarchy),
    })),
  };
}
