import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { toSst2 } from '../../src/tokenizer/normaliser.js';
import { itShared } from '../support/shared.js';

/** Natural text and its tokens, each feature as SST-2's train.tsv writes it. */
const PAIRS: readonly (readonly [string, string])[] = [
  [
    'It’s a CHARMING and often affecting journey.',
    "it 's a charming and often affecting journey .",
  ],
  [
    "You don't, can't, won't; I'd, they'll, we've, I'm.",
    "you do n't , ca n't , wo n't ; i 'd , they 'll , we 've , i 'm .",
  ],
  ['I cannot wait, gonna see it.', 'i can not wait , gon na see it .'],
  ['It’s slow—very, very slow', "it 's slow -- very , very slow"],
  ['A film – a mess -- of 8–10 parts', 'a film -- a mess -- of 8-10 parts'],
  ['Skate/surf culture, R&B, Lilo & Stitch', 'skate/surf culture , r&b , lilo & stitch'],
  ['A writer-director’s 90-minute debut.', "a writer-director 's 90-minute debut ."],
  ['The acting (and the music) is good.', 'the acting ( and the music ) is good .'],
  ['So [she] says', 'so ( she ) says'],
  ['Its “big bad love” is "bad"', "its `` big bad love '' is `` bad ''"],
  ['“Got aids yet?”', "`` got aids yet ? ''"],
  ["The 'small' movie and parents' tendency.", "the ` small ' movie and parents ' tendency ."],
  ['A hero of ‘picture shows.’', "a hero of ` picture shows . '"],
  [
    "Classics of the '60s, '70s-style; rock 'n' roll ol' boys",
    "classics of the '60s , '70s-style ; rock 'n' roll ol' boys",
  ],
  [
    "It will have you talking 'til the end for 'em",
    "it will have you talking 'til the end for 'em",
  ],
  ['Mr. Tsai vs. J.K. Rowling of the U.S. no. 1', 'mr. tsai vs. j.k. rowling of the u.s. no. 1'],
  ['I liked E.T.', 'i liked e.t.'],
  ['Drama, action, etc.', 'drama , action , etc. .'],
  ['It was bad. I left. The end', 'it was bad . i left . the end'],
  ['Kinda cute.But good', 'kinda cute . but good'],
  ['What?!? No! $1.8 million, 100% of 2,500', 'what ?!? no ! $ 1.8 million , 100 % of 2,500'],
  ['Well…it...ends....', 'well ... it ... ends ...'],
  ['  Naïve   cliché\n by Næss ', 'naïve cliché by næss'],
  ['I was\u0085 there \u0096 there', 'i was ... there -- there'],
  ['A constructor', 'a constructor'],
  ['', ''],
];

/** Undoes the plainest of the splits, as a person would write the sentence. */
function written(sentence: string): string {
  const joined = sentence
    .replace(/ (n't|'(?:s|re|ve|ll|d|m))(?= |$)/gu, '$1')
    .replace(/(?<=s) '(?= )/gu, "'")
    .replace(/`` /gu, '“')
    .replace(/ ''/gu, '”')
    .replace(/` /gu, '‘')
    .replace(/ '(?= |$)/gu, '’')
    .replace(/ ([,;:.!?)%])(?= |$)/gu, '$1')
    .replace(/([($]) /gu, '$1')
    .replace(/ -- /gu, '—')
    .replace(/gon na/gu, 'gonna');
  return joined.charAt(0).toUpperCase() + joined.slice(1);
}

describe("normaliser: SST-2's style", () => {
  for (const [natural, tokens] of PAIRS) {
    it(`writes ${JSON.stringify(natural)}`, () => {
      assert.equal(toSst2(natural), tokens);
      assert.equal(toSst2(tokens), tokens, 'text in the style changed');
    });
  }

  it('keeps every letter and digit, whatever the text', () => {
    const letters = (text: string): string => text.replace(/[^\p{Alphabetic}\p{Nd}]/gu, '');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (text) => {
        const styled = toSst2(text);
        assert.equal(letters(styled), letters(text.toLowerCase()));
        assert.doesNotMatch(styled, / {2}|^ | $|[\t\n]/u);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  for (const file of ['data/sst2/dev.tsv', 'data/sst2/search.tsv']) {
    itShared(
      `leaves the sentences of ${file} as they are, and finds them again as written`,
      [file],
      async (path) => {
        const lines = (await readFile(path, 'utf8')).trimEnd().split('\n').slice(1);
        const sentences = lines.map((line) => line.split('\t')[0]);
        assert.deepEqual(sentences.map(toSst2), sentences);
        const lost = sentences.filter((sentence) => toSst2(written(sentence)) !== sentence);
        assert.deepEqual(lost, []);
      },
    );
  }
});
