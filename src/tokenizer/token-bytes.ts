import { readTokenizerBytes, parseTokenizerFile } from './tokenizer-file.js';
import { isVocabularyList } from './vocabulary-list.js';

/**
 * The bytes that each token of a byte-level vocabulary stands for, by id; none for an id without a token.
 *
 * @returns undefined for a vocabulary of another kind, whose tokens have no text of their own
 * @throws {TokenizerError} when the file cannot be read
 */
export async function vocabularyBytes(path: string): Promise<Uint8Array[] | undefined> {
  if (isVocabularyList(path)) return undefined;
  const file = parseTokenizerFile(await readTokenizerBytes(path), path);
  const { vocab } = file.model;
  if ((file.decoder as { type?: unknown } | null)?.type !== 'ByteLevel' || Array.isArray(vocab))
    return undefined;
  const byteOf = new Map(alphabet().map((character, byte) => [character, byte]));
  const spelled: Uint8Array[] = [];
  for (const [token, id] of Object.entries(vocab as Readonly<Record<string, number>>))
    spelled[id] = Uint8Array.from(token, (character) => byteOf.get(character) ?? 0);
  for (const { id, content } of file.added_tokens) spelled[id] = Buffer.from(content);
  return Array.from(spelled, (bytes: Uint8Array | undefined) => bytes ?? new Uint8Array(0));
}

/**
 * The characters that stand for bytes 0 to 255 in a byte-level vocabulary (GPT-2): printable ones of Latin-1 for
 * themselves, the others, in their order, those from U+0100 on.
 */
function alphabet(): string[] {
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(isPrintable(byte) ? byte : next++),
  );
}
