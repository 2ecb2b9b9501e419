/**
 * The part of `@huggingface/tokenizers` 0.2 that is used here. Its own declarations leave out file
 * extensions and so resolve to `any` from a CommonJS package.
 */
export interface LibraryTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(
    ids: number[],
    options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean },
  ): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
}

interface Library {
  readonly Tokenizer: new (tokenizer: object, config: object) => LibraryTokenizer;
}

/**
 * Builds the library's tokenizer from a checked tokenizer.json. What lies in `tokenizer_config.json`
 * (chat templates, names of special tokens) changes neither ids nor text, so it is not asked for.
 */
export async function buildLibraryTokenizer(file: object): Promise<LibraryTokenizer> {
  const library = (await import('@huggingface/tokenizers')) as unknown as Library;
  return new library.Tokenizer(file, {});
}
