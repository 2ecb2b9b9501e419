import { Argument, Option, type Command } from 'commander';
import { DATA_SET_NAMES, KNOWN_MODELS, type DataSetName } from '../../hub/catalogue.js';
import { fetchData } from '../../hub/data.js';
import type { FetchedFile } from '../../hub/fetch.js';
import { fetchModel } from '../../hub/models.js';
import { formatBytes } from '../../util/format.js';
import { formatFacts, type Fact } from '../format/table.js';
import type { Host } from '../host.js';
import { withResultOptions } from '../options/common.js';
import { Session, type CommonFlags } from '../session.js';

interface FetchFlags extends CommonFlags {
  readonly revision?: string;
  readonly file?: string;
}

const ENVIRONMENT = `
Files go to ~/.cache/qslm, or QSLM_HOME. A fetch that is broken off goes on where it was when it is
asked for again; each file is checked by length and hash. HF_ENDPOINT names another hub, HF_TOKEN an
account, HTTPS_PROXY and NO_PROXY a proxy; with HF_HUB_OFFLINE=1 nothing is asked of the hub.`;

export function addFetch(program: Command, host: Host): void {
  const fetch = program
    .command('fetch')
    .description('bring a model or data from the hub; no other command goes to the network');
  const revision = (): Option =>
    new Option('--revision <name>', 'a branch, a tag or a commit; default: main');
  const model = fetch
    .command('model')
    .description('a checkpoint and its tokenizer')
    .argument('<name>', 'owner/name on the hub')
    .addOption(revision())
    .option('--file <path>', 'the checkpoint, where the repository has several');
  withResultOptions(model)
    .addHelpText(
      'after',
      `${ENVIRONMENT}

Examples:
${Object.keys(KNOWN_MODELS)
  .map((name) => `  $ qslm fetch model ${name}`)
  .join('\n')}`,
    )
    .action((name: string, flags: FetchFlags) =>
      Session.run(host, flags, (session) => bringModel(session, name, flags)),
    );
  const data = fetch
    .command('data')
    .description('data to measure on')
    .addArgument(new Argument('<name>', 'which').choices(DATA_SET_NAMES))
    .addOption(revision());
  withResultOptions(data)
    .addHelpText('after', `${ENVIRONMENT}\n\nExample:\n  $ qslm fetch data wikitext2`)
    .action((name: DataSetName, flags: FetchFlags) =>
      Session.run(host, flags, (session) => bringData(session, name, flags)),
    );
}

async function bringModel(session: Session, asked: string, flags: FetchFlags): Promise<void> {
  const { revision, file } = flags;
  const found = await fetchModel(asked, { ...session.run, revision, file });
  const { name, tokenizer, files } = found;
  if (tokenizer === undefined)
    session.warn(`the repository has no tokenizer.json; --tokenizer FILE where ${name} is used`);
  const facts: Fact[] = [
    ['model', name],
    ['revision', found.revision],
    ...filesFacts(files),
    ['use', `qslm eval ${name}`],
  ];
  await session.result({ ...found }, formatFacts(facts), flags.out);
}

async function bringData(session: Session, name: DataSetName, flags: FetchFlags): Promise<void> {
  const { revision } = flags;
  const found = await fetchData(name, { ...session.run, revision });
  const facts: Fact[] = [
    ['data', `${found.repository}, ${name}`],
    ['revision', found.revision],
    ...filesFacts(found.files),
    ['use', found.splits.map((split) => `--data ${name}:${split}`).join(', ')],
  ];
  await session.result({ ...found }, formatFacts(facts), flags.out);
}

function filesFacts(files: readonly FetchedFile[]): Fact[] {
  return files.map(({ path, state, origin: { bytes, digest } }) => [
    state,
    `${path} (${formatBytes(bytes)}, ${digest.algorithm} ${digest.hex})`,
  ]);
}
