import assert from 'node:assert/strict';
import { copyFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readRun } from '../../../src/experiment/record/folder.js';
import { openStore } from '../../../src/store/index.js';
import { sha256 } from '../../../src/util/hash.js';
import { seededRandom } from '../../../src/util/random.js';
import { pick } from '../mutate.js';
import { disturbed, KINDS, type Attempt, type Kind, type Surroundings } from './attempt.js';
import {
  filesBelow,
  identityOf,
  readEnding,
  requireSame,
  requireTidy,
  requireWhole,
  type Ending,
} from './ending.js';
import {
  exportCommand,
  mountSmall,
  placeIn,
  searchCommand,
  start,
  VARIANTS,
  type Ended,
  type Ground,
  type Place,
  type Version,
} from './ground.js';

/** Enough for a store, its log and a run, and soon full. */
const SMALL_BYTES = 8 * 1024 * 1024;
/** Disturbances of one search at most; then it is let through. */
const MOST_KILLS = 8;

/** All that a search was put through. */
export interface Report {
  readonly attempts: readonly Attempt[];
  /** Why it failed; undefined where it ended as the undisturbed one. */
  readonly fault?: string;
}

/** Searches that nothing disturbs, each done once, and the time that commands take. */
export class Undisturbed {
  private readonly endings = new Map<string, Promise<Ending>>();
  private readonly exports = new Map<Version, Promise<string>>();
  /** Milliseconds of a search by variant, and of an export. */
  readonly usualMs = { search: VARIANTS.map(() => 2000), export: 1000 };

  constructor(
    readonly ground: Ground,
    private readonly folder: string,
  ) {}

  /** The ending of a search on a version of model and data. */
  ending(variant: number, model: Version, data: Version): Promise<Ending> {
    const name = `${variant}${model}${data}`;
    const known = this.endings.get(name);
    if (known !== undefined) return known;
    const ending = this.searchAlone(name, variant, model, data);
    this.endings.set(name, ending);
    return ending;
  }

  /** The hash of the files of an exported plan. */
  exported(plan: Version): Promise<string> {
    const known = this.exports.get(plan);
    if (known !== undefined) return known;
    const exported = this.exportAlone(plan);
    this.exports.set(plan, exported);
    return exported;
  }

  private async searchAlone(
    name: string,
    variant: number,
    model: Version,
    data: Version,
  ): Promise<Ending> {
    const place = await layPlace(join(this.folder, name), this.ground, model, data);
    const { ms } = await through(searchCommand(place, this.ground, variant), place);
    this.usualMs.search[variant] = ms;
    const ending = await readEnding(place, isExact(variant));
    assert.equal(ending.runs.size, 1);
    return ending;
  }

  private async exportAlone(plan: Version): Promise<string> {
    const place = await layPlace(join(this.folder, `export-${plan}`), this.ground, 'a', 'a', plan);
    const { ms } = await through(exportCommand(place), place);
    this.usualMs.export = ms;
    return (await hashOfFolder(place.exports))!;
  }
}

async function through(argv: readonly string[], { folder }: Place): Promise<Ended> {
  const ended = await start(argv, folder).ended;
  assert.equal(ended.code, 0, `undisturbed: ended with ${ended.code}; ${ended.stderr}`);
  return ended;
}

const isExact = (variant: number): boolean =>
  (VARIANTS[variant] as readonly string[]).includes('--no-verdicts');

async function layPlace(
  folder: string,
  ground: Ground,
  model: Version = 'a',
  data: Version = 'a',
  plan: Version = 'a',
): Promise<Place> {
  const place = placeIn(folder);
  await mkdir(folder, { recursive: true });
  await copyFile(ground.models[model], place.model);
  await copyFile(ground.data[data], place.data);
  await copyFile(ground.plans[plan], place.plan);
  return place;
}

/** Names and content of all files of a folder; undefined where there is none. */
async function hashOfFolder(folder: string): Promise<string | undefined> {
  const files = await filesBelow(folder);
  if (files.length === 0) return undefined;
  const parts = await Promise.all(files.map(async (path) => sha256(await readFile(path))));
  return files.map((path, index) => `${path.slice(folder.length)} ${parts[index]}`).join('\n');
}

/** Surroundings of one killed search. */
export interface SearchPlace {
  /** Its files; removed afterwards. */
  readonly folder: string;
  /** Where they go if it fails, with a report. */
  readonly kept: string;
  readonly undisturbed: Undisturbed;
  /** Disturbances at most, those of exports apart. */
  readonly most?: number;
}

/**
 * Disturbs one search until it is through, and holds what it leaves against one that nothing disturbed. All
 * choices follow from the number.
 */
export async function killedSearch(
  number: number,
  seed: number,
  { folder, kept, undisturbed, most = MOST_KILLS }: SearchPlace,
): Promise<Report> {
  const random = seededRandom(seed * 1_000_003 + number);
  const attempts: Attempt[] = [];
  await mkdir(folder, { recursive: true });
  // One in three has little space.
  const small = number % 3 === 0 ? mountSmall(folder, SMALL_BYTES) : undefined;
  try {
    const place = await layPlace(folder, undisturbed.ground);
    const kinds = KINDS.filter((kind) => kind !== 'disk full' || typeof small === 'function');
    const variant = random.integer(0, VARIANTS.length - 1);
    const expected = [await undisturbed.ending(variant, 'a', 'a')];
    const [wanted] = expected[0].runs.keys();
    const command = searchCommand(place, undisturbed.ground, variant);
    const kills = random.integer(Math.ceil(most / 2), most);
    while (attempts.length < kills && !(await isFinished(place, wanted))) {
      const kind = pick(
        random,
        kinds.filter((each) => each !== 'plan swapped'),
      );
      const usualMs = undisturbed.usualMs.search[variant];
      const surroundings = { place, ground: undisturbed.ground, random, usualMs };
      attempts.push(await disturbed(command, kind, surroundings));
      await requireWhole(place);
      if (kind === 'model swapped') expected.push(await undisturbed.ending(variant, 'b', 'a'));
      if (kind === 'data swapped') expected.push(await undisturbed.ending(variant, 'a', 'b'));
    }
    if (!(await isFinished(place, wanted)))
      attempts.push({ kind: 'none', disturbedMs: undefined, ...(await through(command, place)) });
    await requireTidy(place);
    requireSame(await readEnding(place, isExact(variant)), expected, wanted, isExact(variant));
    await killedExport({ place, ground: undisturbed.ground, random, usualMs: 0 }, kinds, {
      attempts,
      undisturbed,
    });
    return { attempts };
  } catch (error) {
    const fault = error instanceof Error ? (error.stack ?? error.message) : String(error);
    await rm(kept, { recursive: true, force: true });
    // What a thread that is closing takes away is no loss.
    await cp(folder, kept, { recursive: true }).catch(() => undefined);
    await mkdir(kept, { recursive: true });
    await writeFile(join(kept, 'report.json'), JSON.stringify({ fault, attempts }, null, 2));
    return { attempts, fault };
  } finally {
    if (typeof small === 'function') small();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether the run that is wanted is finished, as its folder says and then the store, which learns of it last. */
async function isFinished(place: Place, wanted: string): Promise<boolean> {
  const files = (await filesBelow(place.runs)).filter((path) => path.endsWith('run.json'));
  const found = await Promise.all(files.map((path) => readRun(join(path, '..'))));
  const finished = found.filter(
    ({ state, config }) =>
      state === 'finished' && identityOf(config.model.sha256, config.search.id) === wanted,
  );
  if (finished.length === 0) return false;
  const store = await openStore(place.store);
  try {
    return finished.some(({ id }) => store.runs.show(id)?.state === 'finished');
  } finally {
    store.close();
  }
}

/** Disturbs exports into a folder, which is there whole or not at all. */
async function killedExport(
  surroundings: Surroundings,
  kinds: readonly Kind[],
  { attempts, undisturbed }: { attempts: Attempt[]; undisturbed: Undisturbed },
): Promise<void> {
  const { place, random } = surroundings;
  const whole = [await undisturbed.exported('a'), await undisturbed.exported('b')];
  const usualMs = undisturbed.usualMs.export;
  for (let count = random.integer(1, 2); count > 0; count--) {
    const kind = pick(
      random,
      kinds.filter((each) => !each.endsWith('swapped')),
    );
    await rm(place.exports, { recursive: true, force: true });
    attempts.push(await disturbed(exportCommand(place), kind, { ...surroundings, usualMs }));
    const left = await hashOfFolder(place.exports);
    const { code } = attempts.at(-1)!;
    assert.ok(left === undefined || whole.includes(left), `half an export: ${left}`);
    assert.ok(code !== 0 || left !== undefined, 'exit code 0 and no export');
  }
  await rm(place.exports, { recursive: true, force: true });
  // The plan is read once: what was exported is all of one or all of the other.
  attempts.push(
    await disturbed(exportCommand(place), 'plan swapped', { ...surroundings, usualMs }),
  );
  const left = await hashOfFolder(place.exports);
  assert.ok(left === undefined || whole.includes(left), `an export of neither plan: ${left}`);
  await requireTidy(place);
}
