import { Option, type Command } from 'commander';
import { startBackend } from '../../backend/start.js';
import { openModel, type OpenModel } from '../../experiment/open/model-file.js';
import { generate } from '../../model/generate.js';
import { NaturalStream, promptToWikiText } from '../../tokenizer/normaliser.js';
import { END_OF_TEXT, NEVER_DRAWN } from '../../tokenizer/special-tokens.js';
import { TokenStream } from '../../tokenizer/token-stream.js';
import { DataError } from '../../util/errors.js';
import { formatCount, formatCounted, formatDuration, formatRate } from '../../util/format.js';
import { backendFact, configFacts, configJson } from '../format/facts.js';
import { openPackedOr, packedFacts, packedJson } from '../format/packed.js';
import { formatFacts } from '../format/table.js';
import type { Host } from '../host.js';
import {
  integerFrom,
  modelOptionsOf,
  numberWhere,
  positiveInteger,
  withModelOptions,
  withResultOptions,
  type ModelFlags,
} from '../options/common.js';
import { backendFor, packedOption, type PackedFlags } from '../options/packed.js';
import { Session } from '../session.js';

/** `wikitext`: prompt and output are brought from and to ordinary text. `raw`: nothing is changed. */
const STYLES = ['wikitext', 'raw'] as const;
type Style = (typeof STYLES)[number];

interface GenerateFlags extends ModelFlags, PackedFlags {
  readonly prompt: string;
  readonly length: number;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
  readonly style?: Style;
}

export function addGenerate(program: Command, host: Host): void {
  const command = program
    .command('generate')
    .description('continue a text')
    .requiredOption('--prompt <text>', 'how the text begins')
    .option('--length <tokens>', 'tokens to add at most', positiveInteger, 100)
    .option(
      '--temperature <value>',
      '0 takes the likeliest token, 1 samples as the model says',
      numberWhere((value) => value >= 0, 'a number, 0 or more'),
      0.8,
    )
    .option(
      '--top-p <share>',
      'sample from the likeliest tokens that together have this probability',
      numberWhere((value) => value > 0 && value <= 1, 'a number above 0 and at most 1'),
      0.9,
    )
    .option('--seed <number>', 'the same seed gives the same text', integerFrom(0), 0)
    .addOption(
      new Option(
        '--style <style>',
        "wikitext brings ordinary text into WikiText's style and back; default: what the checkpoint says, else raw",
      ).choices(STYLES),
    )
    .addOption(packedOption());
  withResultOptions(withModelOptions(command))
    .addHelpText(
      'after',
      `
Ends at ${END_OF_TEXT}; ${NEVER_DRAWN.join(' and ')} are never drawn.

Example:
  $ qslm generate spikegpt-mini --prompt "The castle was built" --length 60 --seed 1`,
    )
    .action((model: string, flags: GenerateFlags) =>
      Session.run(host, flags, (session) => continueText(session, model, flags)),
    );
}

async function continueText(session: Session, name: string, flags: GenerateFlags): Promise<void> {
  const { packed } = flags;
  const backend = await startBackend(backendFor(flags));
  const { open, execution } = await openPackedOr(packed, () =>
    openModel(name, { ...modelOptionsOf(flags), packed }, session.run),
  );
  try {
    const style = flags.style ?? statedStyle(open);
    const head = formatFacts([
      ['model', open.name],
      ...configFacts(open),
      backendFact(backend),
      ['style', style],
      ['seed', String(flags.seed)],
    ]);
    session.note(`${head}\n`);
    const text = style === 'wikitext' ? promptToWikiText(flags.prompt) : flags.prompt;
    const prompt = open.tokenizer.encode(text);
    if (prompt.length === 0)
      throw new DataError({
        what: 'empty text',
        where: '--prompt',
        got: JSON.stringify(flags.prompt),
        expected: 'a word or more',
      });
    const { contextLength } = open.model.config;
    if (prompt.length + flags.length > contextLength)
      session.warn(
        `the text may become longer than the model's context; got ${formatCounted(prompt.length, 'token')} of prompt ` +
          `and ${formatCount(flags.length)} to add, expected at most ${formatCount(contextLength)}, which it was trained on`,
      );
    const started = performance.now();
    const continuation = await stream(session, open, { text, ids: prompt }, style, flags);
    const seconds = (performance.now() - started) / 1000;
    const { length, temperature, topP, seed } = flags;
    const settings = { length, temperature, topP, seed, style };
    const asPacked = packedJson(open.checkpoint, open.hierarchy, execution);
    const model = { model: open.name, ...configJson(open), ...asPacked };
    const value = { ...model, backend, settings, ...continuation };
    await session.result(value, '', flags.out);
    const { tokens } = continuation;
    const rate = formatRate((prompt.length + tokens.length) / seconds);
    const facts = packedFacts(open.checkpoint, open.hierarchy, execution);
    if (execution !== undefined) session.note(`\n${formatFacts(facts)}`);
    session.note(
      `\n${formatCounted(tokens.length, 'token')} added in ${formatDuration(seconds)}, ${rate} tokens/s with the prompt`,
    );
  } finally {
    await open.close();
  }
}

/** The style that the checkpoint's metadata states. */
function statedStyle({ checkpoint }: OpenModel): Style {
  return checkpoint.metadata['text_style'] === 'wikitext' ? 'wikitext' : 'raw';
}

/** Prints prompt and continuation as they come. */
async function stream(
  session: Session,
  { model, tokenizer }: OpenModel,
  prompt: { readonly text: string; readonly ids: Int32Array },
  style: Style,
  { length, temperature, topP, seed }: GenerateFlags,
): Promise<{ text: string; tokens: number[] }> {
  const pieces = new TokenStream(tokenizer);
  const natural = style === 'wikitext' ? new NaturalStream() : undefined;
  let text = '';
  const show = async (piece: string): Promise<void> => {
    text += piece;
    await session.print(piece);
  };
  const stopToken = tokenizer.idOf(END_OF_TEXT);
  const forbidden = NEVER_DRAWN.flatMap((token) => tokenizer.idOf(token) ?? []);
  const tokens: number[] = [];
  // Refused before anything is shown: an empty prompt, a model without a head.
  const ids = generate(model, prompt.ids, {
    ...{ length, temperature, topP, seed, forbidden, signal: session.signal },
    ...(stopToken !== undefined && { stopToken }),
  });
  for await (const token of ids) {
    if (tokens.length === 0) await show(natural?.push(prompt.text) ?? prompt.text);
    tokens.push(token);
    const piece = pieces.push(token);
    await show(natural?.push(piece) ?? piece);
  }
  const rest = pieces.end();
  await show(natural === undefined ? rest : natural.push(rest) + natural.end());
  return { text, tokens };
}
