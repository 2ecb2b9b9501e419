/**
 * The part of `@huggingface/tokenizers` 0.2 that is used here. Its own declarations leave out file
 * extensions and so resolve to `any` from a CommonJS package.
 */
export interface LibraryTokenizer {
  /** The ids of a text. */
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  /** The text of ids, of which there has to be one. */
  decode(
    ids: number[],
    options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean },
  ): string;
  /** The id of a token as the vocabulary spells it. */
  token_to_id(token: string): number | undefined;
  /** The token of an id as the vocabulary spells it. */
  id_to_token(id: number): string | undefined;
}

interface Library {
  readonly Tokenizer: new (tokenizer: object, config: object) => LibraryTokenizer;
}

/**
 * Builds the library's tokenizer from a checked tokenizer.json. The `tokenizer_config.json` beside it
 * (chat templates, names of special tokens) changes neither ids nor text, so it is not asked for.
 */
export async function buildLibraryTokenizer(file: object): Promise<LibraryTokenizer> {
  const library = (await import('@huggingface/tokenizers')) as unknown as Library;
  return new library.Tokenizer(file, {});
}
