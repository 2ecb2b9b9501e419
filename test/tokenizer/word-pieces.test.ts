import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { loadTokenizer } from '../../src/tokenizer/tokenizer.js';
import { isVocabularyList, parseVocabularyList } from '../../src/tokenizer/vocabulary-list.js';
import { TokenizerError } from '../../src/util/errors.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';

/** Ids are places in this list. */
const PIECES = [
  ...['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'un', '##aff', '##able', 'cafe', 'film'],
  ...[',', '.', "'", 's', 'the', '##s', '東', '京'],
];

describe('word pieces of a vocab.txt', () => {
  const at = temporaryFolder();
  const write = (text: string, name = 'vocab.txt'): Promise<void> => writeFile(at(name), text);

  it('are the longest from the left, cleaned and in lower case as an uncased list wants', async () => {
    await write(`${PIECES.join('\r\n')}\r\n`);
    const tokenizer = await loadTokenizer(at('vocab.txt'));
    assert.equal(tokenizer.vocabSize, PIECES.length);
    const encode = (text: string): string[] =>
      Array.from(tokenizer.encode(text), (id) => PIECES[id]);
    assert.deepEqual(encode('Unaffable Café,the film\u0000s.'), [
      ...['un', '##aff', '##able', 'cafe', ',', 'the', 'film', '##s', '.'],
    ]);
    // No piece fits: the whole word is unknown. Characters of Chinese and Japanese stand alone.
    assert.deepEqual(encode("unaffilm film's 東京"), [...['[UNK]', 'film', "'", 's', '東', '京']]);
    assert.deepEqual(encode('[CLS] film [SEP]'), ['[CLS]', 'film', '[SEP]']);
    assert.deepEqual(encode(`${'s'.repeat(101)} the`), ['[UNK]', 'the']);
    assert.equal(tokenizer.idOf('[PAD]'), 0);
    assert.equal(tokenizer.decode(tokenizer.encode('unaffable film')), 'unaffable film');
    assert.equal(tokenizer.byteLengthOf(PIECES.indexOf('film')), 4);
  });

  it('keep capitals where the list has some, or a tokenizer_config.json says so', async () => {
    await write([...PIECES, 'Film', 'É'].join('\n'));
    const cased = await loadTokenizer(at('vocab.txt'));
    assert.deepEqual(Array.from(cased.encode('Film film Café')), [18, 9, 1]);
    await write('{"do_lower_case": true}', 'tokenizer_config.json');
    const stated = await loadTokenizer(at('vocab.txt'));
    assert.deepEqual(Array.from(stated.encode('Film film Café')), [9, 9, 8]);
    await write('{"do_lower_case": ', 'tokenizer_config.json');
    await assert.rejects(loadTokenizer(at('vocab.txt')), TokenizerError);
    await write('{}', 'tokenizer_config.json');
  });

  it('are the same from the tokenizer.json that the list stands for', async () => {
    const bytes = Buffer.from(PIECES.join('\n'));
    await writeFile(at('vocab.txt'), bytes);
    await write(JSON.stringify(parseVocabularyList(bytes, 'here', true)), 'tokenizer.json');
    const [list, file] = await Promise.all(
      ['vocab.txt', 'tokenizer.json'].map((name) => loadTokenizer(at(name))),
    );
    const text = "The UNAFFABLE film's café, and 東京 [SEP]";
    assert.deepEqual(list.encode(text), file.encode(text));
    assert.ok(isVocabularyList('a/vocab.txt') && !isVocabularyList('a/tokenizer.json'));
  });

  for (const [title, text, message] of [
    ['a token twice', 'a\n[UNK]\na\n', /listed twice.*"a" in lines 1 and 3.*expected/],
    ['none for unknown words', 'a\nb\n', /no token for unknown words.*2 tokens.*expected/],
    ['nothing', '', /is empty.*no tokens.*expected/],
  ] as const)
    it(`are refused for ${title}`, async () => {
      await write(text);
      await assert.rejects(loadTokenizer(at('vocab.txt')), (error: Error) => {
        assert.ok(error instanceof TokenizerError);
        assert.match(error.message, message);
        return true;
      });
    });

  it('are refused for bytes that are no text', async () => {
    await writeFile(at('vocab.txt'), Buffer.of(0x61, 0x0a, 0xff, 0xfe));
    await assert.rejects(loadTokenizer(at('vocab.txt')), /is no text.*4 bytes/);
  });
});
