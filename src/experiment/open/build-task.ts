import { extname } from 'node:path';
import type { ModelConfig } from '../../model/config.js';
import type { ModelStructure } from '../../model/structure.js';
import type { Pooling, TokenPolicy } from '../../model/types.js';
import { DEFAULT_BATCH_TOKENS } from '../../tasks/batching.js';
import { loadSentimentSamples, loadTextSamples } from '../../tasks/data/samples.js';
import { readTextFile, readTextUntil, requireWords } from '../../tasks/data/text.js';
import { readSst2Tsv } from '../../tasks/data/tsv.js';
import type { TaskName } from '../../tasks/kinds.js';
import { sst2Task, type Sst2Options } from '../../tasks/sst2.js';
import type { Task } from '../../tasks/task.js';
import { wikitext2Task, type Wikitext2Options } from '../../tasks/wikitext2.js';
import { toSst2, toWikiText } from '../../tokenizer/normaliser.js';
import type { Tokenizer } from '../../tokenizer/tokenizer.js';
import { TokenizerError, UsageError } from '../../util/errors.js';
import { articlesOfPart, sentencesOfPart, type SamplePart } from './sample-parts.js';

/** The data to measure on. Everything left out follows from the model and the data. */
export interface TaskRequest {
  readonly task?: TaskName | undefined;
  /** A TSV (sst2) or text (wikitext2) file; without it the bundled samples. */
  readonly data?: string | undefined;
  /** Of the bundled samples this part alone; by default all of them. */
  readonly part?: SamplePart | undefined;
  /** The data is ordinary text: bring it into the style of SST-2 or WikiText first. */
  readonly natural?: boolean | undefined;
  /** Inputs of a window; by default the model's context length. */
  readonly context?: number | undefined;
  /** From one window to the next; by default windows do not overlap. */
  readonly stride?: number | undefined;
  /** Sentences, or predicted tokens, at most. */
  readonly limit?: number | undefined;
  readonly pooling?: Pooling | undefined;
}

/** The part of a model that its tasks depend on. */
export type TaskModel = Pick<ModelStructure, 'family' | 'config'>;

/**
 * Builds the task a request means for a model: sst2 for a classifier and TSV files, wikitext2 otherwise.
 *
 * @throws {UsageError} when two parts of the request contradict each other.
 * @throws {DataError} when the data cannot be used.
 */
export async function buildTask(
  request: TaskRequest,
  tokenizer: Tokenizer,
  model: TaskModel,
): Promise<Task> {
  const task = request.task ?? taskFor(request.data, model);
  const build = task === 'sst2' ? buildSst2 : buildWikitext2;
  return build(request, tokenizer, model);
}

function taskFor(path: string | undefined, { config }: TaskModel): TaskName {
  const classifies =
    path === undefined ? config.classes > 0 : extname(path).toLowerCase() === '.tsv';
  return classifies ? 'sst2' : 'wikitext2';
}

async function buildSst2(
  { data, part, natural = false, context, stride, limit, pooling }: TaskRequest,
  tokenizer: Tokenizer,
  { family, config }: TaskModel,
): Promise<Task> {
  const policy = family.tokens(config);
  requireAbsent('--context', context, 'sst2, whose sentences are whole');
  requireAbsent('--stride', stride, 'sst2, whose sentences are whole');
  return sst2Task({
    ...(await sentences(data, natural, part, limit)),
    tokenizer,
    paddingId: tokenizer.idOf(policy.padding.name) ?? policy.padding.id,
    length: policy.length === 'longest' ? undefined : policy.length,
    before: specialTokens(tokenizer, policy.before),
    after: specialTokens(tokenizer, policy.after),
    pooling: poolingOf(policy, pooling),
    batchTokens: batchTokensFor(config),
    ...(limit !== undefined && { limit }),
  });
}

/** @throws {TokenizerError} for a tokenizer that is not of the model's family. */
function specialTokens(tokenizer: Tokenizer, names: readonly string[]): number[] {
  return names.map((name) => {
    const id = tokenizer.idOf(name);
    if (id !== undefined) return id;
    const what = 'the vocabulary lacks a special token';
    const expected = "the tokenizer that the model's family was trained with";
    throw new TokenizerError({ what, where: 'tokenizer', got: `no ${name}`, expected });
  });
}

function poolingOf({ poolings }: TokenPolicy, asked: Pooling | undefined): Pooling {
  const pooling = asked ?? poolings[0];
  if (poolings.includes(pooling)) return pooling;
  throw new UsageError({
    what: "the model's family does not pool like that",
    where: '--pooling',
    got: pooling,
    expected: poolings.join(' or '),
  });
}

async function sentences(
  path: string | undefined,
  natural: boolean,
  part: SamplePart | undefined,
  limit: number | undefined,
): Promise<Pick<Sst2Options, 'examples' | 'source' | 'title'>> {
  if (path === undefined) {
    const { examples, source } = await loadSentimentSamples();
    return {
      examples: part === undefined ? examples : sentencesOfPart(examples, part),
      source: `${source} (bundled${partName(part)})`,
      title: 'Film reviews (bundled)',
    };
  }
  const examples = await readSst2Tsv(path, limit);
  if (!natural) return { examples, source: path };
  return {
    examples: examples.map(({ sentence, label }) => ({ sentence: toSst2(sentence), label })),
    source: `${path}, brought into SST-2's style`,
  };
}

async function buildWikitext2(
  { data, part, natural = false, context, stride, limit, pooling }: TaskRequest,
  tokenizer: Tokenizer,
  { config }: TaskModel,
): Promise<Task> {
  requireAbsent('--pooling', pooling, 'wikitext2, which pools nothing');
  return wikitext2Task({
    ...(await prose(data, natural, part, { tokenizer, limit })),
    tokenizer,
    context: context ?? config.contextLength,
    batchTokens: batchTokensFor(config),
    ...(stride !== undefined && { stride }),
    ...(limit !== undefined && { limitTokens: limit }),
  });
}

async function prose(
  path: string | undefined,
  natural: boolean,
  part: SamplePart | undefined,
  wanted: { readonly tokenizer: Tokenizer; readonly limit: number | undefined },
): Promise<Pick<Wikitext2Options, 'text' | 'source' | 'title'>> {
  if (path === undefined) {
    const { texts, source } = await loadTextSamples();
    const chosen = part === undefined ? texts : articlesOfPart(texts, part);
    return {
      text: chosen.join(''),
      source: `${source} (bundled, ${chosen.length} articles${partName(part)})`,
      title: 'Articles (bundled)',
    };
  }
  const style = natural ? toWikiText : (text: string): string => text;
  const source = natural ? `${path}, brought into WikiText's style` : path;
  const { tokenizer, limit } = wanted;
  const text = await (limit === undefined
    ? readTextFile(path)
    : readTextUntil(path, (read) => {
        const part = wholeParts(read, natural, path);
        const isEnough = tokenizer.encode(style(part)).length > limit + SPARE_TOKENS;
        return isEnough ? part : undefined;
      }));
  requireWords(text, path);
  return { text: style(text), source };
}

/** Tokens beyond those asked for: the last ones of a part of a text may be others than in the whole. */
const SPARE_TOKENS = 64;

/** The beginning of a text up to the last space before a word, or of lines that are brought into a style. */
function wholeParts(text: string, natural: boolean, where: string): string {
  requireWords(text, where);
  if (natural) return text.slice(0, text.lastIndexOf('\n') + 1);
  let end = text.length;
  while (end > 0 && !/\s/.test(text[end - 1])) end--;
  return text.slice(0, Math.max(0, end - 1));
}

function partName(part: SamplePart | undefined): string {
  return part === undefined ? '' : `, ${part} part`;
}

function requireAbsent(option: string, value: unknown, task: string): void {
  if (value === undefined) return;
  throw new UsageError({
    what: 'the option does not apply',
    where: option,
    got: `${JSON.stringify(value)} for ${task}`,
    expected: 'to be left out',
  });
}

/** Width of the model whose activations {@link DEFAULT_BATCH_TOKENS} was chosen for. */
const DEFAULT_BATCH_WIDTH = 192;

/** Fewer tokens a batch for a wider model: the same memory, and Ctrl-C is heard between batches. */
function batchTokensFor({ width }: ModelConfig): number {
  const fitting = Math.floor((DEFAULT_BATCH_TOKENS * DEFAULT_BATCH_WIDTH) / width);
  return Math.max(256, Math.min(DEFAULT_BATCH_TOKENS, fitting));
}
