import { extname } from 'node:path';
import type { ModelConfig } from '../../model/config.js';
import type { ModelStructure } from '../../model/structure.js';
import type { Pooling, TokenPolicy } from '../../model/types.js';
import { DEFAULT_BATCH_TOKENS } from '../../tasks/batching.js';
import { loadSentimentSamples, loadTextSamples } from '../../tasks/data/samples.js';
import { GLUE, type GlueName } from '../../tasks/glue/benchmarks.js';
import { glueTask } from '../../tasks/glue/task.js';
import type { TaskName } from '../../tasks/kinds.js';
import { sst2Task, type Sst2Options } from '../../tasks/sst2.js';
import type { Task } from '../../tasks/task.js';
import { wikitext2Task, type Wikitext2Options } from '../../tasks/wikitext2.js';
import { looksNatural } from '../../tokenizer/natural-style.js';
import { toSst2, toWikiText } from '../../tokenizer/normaliser.js';
import type { Tokenizer } from '../../tokenizer/tokenizer.js';
import { DataError, TokenizerError, UsageError } from '../../util/errors.js';
import { readGlue, readProse, readSentences, taskOfData } from './data-file.js';
import { articlesOfPart, sentencesOfPart, type SamplePart } from './sample-parts.js';
import { beginningOf } from './text-beginning.js';

/** The data to measure on. Everything left out follows from the model and the data. */
export interface TaskRequest {
  readonly task?: TaskName | undefined;
  /**
   * A TSV (sst2), text (wikitext2) or parquet file, or a data set that was fetched, as `sst2` or
   * `wikitext2:test`; without it the bundled samples.
   */
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
  /** Tokens a batch, padding included; by default as many as the model's width has memory for. */
  readonly batchTokens?: number | undefined;
  /** Told what may not be meant: an ending that chose the task, ordinary text where it scores badly. */
  readonly onRemark?: ((text: string) => void) | undefined;
}

/** The part of a model that its tasks depend on. */
export type TaskModel = Pick<ModelStructure, 'family' | 'config'> & {
  /** Its metadata name the style of the text that the model was trained on. */
  readonly checkpoint?: { readonly metadata: Readonly<Record<string, string>> };
};

/**
 * Builds the task a request means for a model: sst2 for a classifier and labelled sentences, wikitext2 otherwise.
 *
 * @throws {UsageError} when two parts of the request contradict each other.
 * @throws {DataError} when the data cannot be used.
 */
export async function buildTask(
  request: TaskRequest,
  tokenizer: Tokenizer,
  model: TaskModel,
): Promise<Task> {
  const task = request.task ?? (await taskFor(request, model));
  if (isGlue(task)) return buildGlue(task, request, tokenizer, model);
  const build = task === 'sst2' ? buildSst2 : buildWikitext2;
  return build(request, tokenizer, model);
}

/** Endings of tables other than those that are read. */
const OTHER_TABLES = ['.csv', '.json', '.jsonl', '.xlsx'];

async function taskFor({ data, onRemark }: TaskRequest, { config }: TaskModel): Promise<TaskName> {
  if (data === undefined) return config.classes > 0 ? 'sst2' : 'wikitext2';
  const known = await taskOfData(data);
  if (known !== undefined) return known;
  const ending = extname(data).toLowerCase();
  if (!config.head)
    throw new DataError({
      what: 'the ending chose the task wikitext2, which the model cannot do',
      where: data,
      got: ending === '' ? 'no ending, for a classifier' : `${ending}, for a classifier`,
      expected: 'sentences and labels in a .tsv, or `task` sst2',
    });
  if (OTHER_TABLES.includes(ending))
    onRemark?.(
      `${data}: its ending, ${ending}, chose the task wikitext2, running text; sentences with labels are a ` +
        '.tsv, or `task` sst2',
    );
  return 'wikitext2';
}

/** Hints at the style where ordinary text meets a model that was trained on another. */
function remarkStyle(
  { data, natural, onRemark }: TaskRequest,
  text: string,
  { checkpoint }: TaskModel,
): void {
  const style = checkpoint?.metadata['text_style'];
  if (natural === true || style === undefined || !looksNatural(text)) return;
  onRemark?.(
    `${data ?? 'the data'} reads like ordinary text, and the model was trained on text in the style of ` +
      `${style}: it will score much worse than it is; \`natural\` brings the text into that style`,
  );
}

function isGlue(task: TaskName): task is GlueName {
  return Object.hasOwn(GLUE, task);
}

/** Pairs need a family whose tokens tell two sentences apart. */
async function buildGlue(
  name: GlueName,
  { data, natural, context, stride, limit, pooling }: TaskRequest,
  tokenizer: Tokenizer,
  { family, config }: TaskModel,
): Promise<Task> {
  requireAbsent('context', context, `${name}, whose sentences are whole`);
  requireAbsent('stride', stride, `${name}, whose sentences are whole`);
  requireAbsent('natural', natural === true || undefined, `${name}, which is ordinary text`);
  if (data === undefined)
    throw new UsageError({
      what: 'there is no bundled data of the task',
      where: 'data',
      got: name,
      expected: "a TSV or parquet file in GLUE's columns",
    });
  const policy = family.tokens(config);
  if (GLUE[name].sentences.length > 1 && policy.after.length === 0)
    throw new UsageError({
      what: "the model's family has no token between two sentences",
      where: 'task',
      got: `${name}, whose items are pairs`,
      expected: 'a task of single sentences',
    });
  const length = policy.length === 'longest' ? undefined : policy.length;
  return glueTask({
    name,
    examples: await readGlue(name, data, limit),
    source: data,
    tokenizer,
    paddingId: tokenizer.idOf(policy.padding.name) ?? policy.padding.id,
    before: specialTokens(tokenizer, policy.before),
    after: specialTokens(tokenizer, policy.after),
    most: length ?? policy.positions,
    length,
    pooling: poolingOf(policy, pooling),
    batchTokens: batchTokensFor(config),
    limit,
  });
}

async function buildSst2(
  request: TaskRequest,
  tokenizer: Tokenizer,
  model: TaskModel,
): Promise<Task> {
  const { data, part, natural = false, context, stride, limit, pooling } = request;
  const { family, config } = model;
  const policy = family.tokens(config);
  requireAbsent('context', context, 'sst2, whose sentences are whole');
  requireAbsent('stride', stride, 'sst2, whose sentences are whole');
  const found = await sentences(data, natural, part, limit);
  remarkStyle(request, found.examples.map(({ sentence }) => sentence).join('\n'), model);
  return sst2Task({
    ...found,
    tokenizer,
    paddingId: tokenizer.idOf(policy.padding.name) ?? policy.padding.id,
    length: policy.length === 'longest' ? undefined : policy.length,
    positions: policy.length === 'longest' ? policy.positions : policy.length,
    before: specialTokens(tokenizer, policy.before),
    after: specialTokens(tokenizer, policy.after),
    pooling: poolingOf(policy, pooling),
    batchTokens: request.batchTokens ?? batchTokensFor(config),
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
    where: 'pooling',
    got: pooling,
    expected: poolings.join(' or '),
  });
}

async function sentences(
  data: string | undefined,
  natural: boolean,
  part: SamplePart | undefined,
  limit: number | undefined,
): Promise<Pick<Sst2Options, 'examples' | 'source' | 'title'>> {
  if (data === undefined) {
    const { examples, source } = await loadSentimentSamples();
    return {
      examples: part === undefined ? examples : sentencesOfPart(examples, part),
      source: `${source} (bundled${partName(part)})`,
      title: 'Film reviews (bundled)',
    };
  }
  const { content, source, title } = await readSentences(data, limit);
  const named = title === undefined ? {} : { title };
  if (!natural) return { examples: content, source, ...named };
  return {
    examples: content.map(({ sentence, label }) => ({ sentence: toSst2(sentence), label })),
    source: `${source}, brought into SST-2's style`,
    ...named,
  };
}

async function buildWikitext2(
  request: TaskRequest,
  tokenizer: Tokenizer,
  model: TaskModel,
): Promise<Task> {
  const { data, part, natural = false, context, stride, limit, pooling } = request;
  const { config } = model;
  requireAbsent('pooling', pooling, 'wikitext2, which pools nothing');
  const found = await prose(data, natural, part, { tokenizer, limit });
  remarkStyle(request, found.text, model);
  return wikitext2Task({
    ...found,
    tokenizer,
    context: context ?? config.contextLength,
    batchTokens: request.batchTokens ?? batchTokensFor(config),
    ...(stride !== undefined && { stride }),
    ...(limit !== undefined && { limitTokens: limit }),
  });
}

async function prose(
  data: string | undefined,
  natural: boolean,
  part: SamplePart | undefined,
  wanted: { readonly tokenizer: Tokenizer; readonly limit: number | undefined },
): Promise<Pick<Wikitext2Options, 'text' | 'source' | 'title'>> {
  if (data === undefined) {
    const { texts, source } = await loadTextSamples();
    const chosen = part === undefined ? texts : articlesOfPart(texts, part);
    return {
      text: chosen.join(''),
      source: `${source} (bundled, ${chosen.length} articles${partName(part)})`,
      title: 'Articles (bundled)',
    };
  }
  const { tokenizer, limit } = wanted;
  const cut = limit === undefined ? undefined : beginningOf(tokenizer, limit, natural, data);
  const { content, source, title } = await readProse(data, cut);
  const named = title === undefined ? {} : { title };
  if (!natural) return { text: content, source, ...named };
  return {
    text: toWikiText(content),
    source: `${source}, brought into WikiText's style`,
    ...named,
  };
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
