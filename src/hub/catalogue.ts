/** A repository of the hub: what it holds, and its name there, `owner/name`. */
export interface Repository {
  readonly kind: 'model' | 'dataset';
  readonly name: string;
}

/** A file of a repository. */
export interface RemotePath {
  readonly repository: Repository;
  readonly path: string;
}

/** The tokenizer that SpikeGPT was trained with: GPT-NeoX-20B's, 50,277 tokens (Zhu et al., 2023). */
const NEOX_TOKENIZER: RemotePath = {
  repository: { kind: 'model', name: 'EleutherAI/gpt-neox-20b' },
  path: 'tokenizer.json',
};

/** Published models whose tokenizer may lie in another repository. Any other model can be fetched too. */
export const KNOWN_MODELS: Readonly<
  Record<string, { readonly tokenizer: RemotePath } | undefined>
> = {
  'ridger/SpikeGPT-OpenWebText-216M': { tokenizer: NEOX_TOKENIZER },
  'TaewoooPark/SpikeGPT-216M-Mixture-Finetune': { tokenizer: NEOX_TOKENIZER },
};

/** A data set of the hub, as far as qslm measures on it. */
export interface DataSet {
  readonly title: string;
  readonly repository: Repository;
  /** Folder of its parquet files, `<split>-00000-of-00001.parquet`. */
  readonly folder: string;
  /** Splits with all that a measurement needs: GLUE keeps the labels of its test split to itself. */
  readonly splits: readonly string[];
  readonly task: 'sst2' | 'wikitext2';
}

const wikitext = (title: string, folder: string): DataSet => ({
  title,
  repository: { kind: 'dataset', name: 'Salesforce/wikitext' },
  folder,
  splits: ['train', 'validation', 'test'],
  task: 'wikitext2',
});

/** The data sets by the name that a user gives in place of a path. */
export const DATA_SETS = {
  sst2: {
    title: 'SST-2',
    repository: { kind: 'dataset', name: 'nyu-mll/glue' },
    folder: 'sst2',
    splits: ['train', 'validation'],
    task: 'sst2',
  },
  wikitext2: wikitext('WikiText-2', 'wikitext-2-v1'),
  'wikitext2-raw': wikitext('WikiText-2 raw', 'wikitext-2-raw-v1'),
} as const satisfies Readonly<Record<string, DataSet>>;
export type DataSetName = keyof typeof DATA_SETS;

export const DATA_SET_NAMES = Object.keys(DATA_SETS) as readonly DataSetName[];

/** The split that a name without one means: decisions belong on it, and not on a test split. */
const DEFAULT_SPLIT = 'validation';

/** A data set and a split of it, from `sst2` or `wikitext2:test`; undefined for any other text. */
export function parseDataName(
  text: string,
): { readonly name: DataSetName; readonly set: DataSet; readonly split: string } | undefined {
  const [head, split = DEFAULT_SPLIT, ...rest] = text.split(':');
  const name = DATA_SET_NAMES.find((each) => each === head);
  if (name === undefined || rest.length > 0) return undefined;
  return { name, set: DATA_SETS[name], split };
}

/** A model's name on the hub and a revision, from `owner/name` or `owner/name@revision`. */
export function parseModelName(
  text: string,
): { readonly name: string; readonly revision: string | undefined } | undefined {
  const match = /^([A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?$/.exec(text);
  return match === null ? undefined : { name: match[1], revision: match[2] };
}
