import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeRandomModel } from '../../src/experiment/open/toy-study.js';
import { structureOf } from '../../src/model/structure.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { runCli } from '../cli/support/run.js';
import { FAMILY_TOYS, resized, saveFamilyToy, type FamilyToy } from './toys.js';

const LETTERS = Array.from('abcdefghijklmnopqrstuvwxyz');
const PIECES = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', ...LETTERS];
const FLAGS = ['--backend', 'wasm', '--quiet'];

/** A parameter that the neurons of a family cannot do without. */
const OF_NEURONS: Readonly<Record<string, string>> = {
  // Without parameters of their own: the norm that makes their input current.
  spikebert: 'blocks.1.attn.q_ln.weight',
  spikingbert: 'network_s4.LayerNorm.weight',
  spikelm: 'bert.encoder.layer.1.attention.self.key.act_clip_val.2',
};

/** Fails at once, with what is wrong, where, what was found and what was expected. */
async function assertRefused(args: readonly string[], parts: readonly RegExp[]): Promise<void> {
  const { code, stdout, stderr } = await runCli([...args, ...FLAGS]);
  assert.notEqual(code, 0, stdout);
  assert.match(stderr, /^error: .+: .+; got [^]+; expected .+\n$/, stderr);
  for (const part of parts) assert.match(stderr, part);
  assert.doesNotMatch(stderr, /\n\s+at /, 'a stack');
}

for (const toy of FAMILY_TOYS)
  describe(`a ${toy.family.title} on the command line is refused`, function () {
    this.timeout(60_000);
    const at = temporaryFolder();
    const sized = resized(toy, { vocabSize: PIECES.length });
    let model: string;
    const data = (): string[] => ['--data', at('dev.tsv')];

    /** A toy with its list of word pieces, and two sentences. */
    const save = async (name: string, one: FamilyToy, pieces = PIECES): Promise<string> => {
      const path = at(`${name}/model.safetensors`);
      await mkdir(dirname(path), { recursive: true });
      await saveFamilyToy(path, one);
      await writeFile(at(`${name}/vocab.txt`), `${pieces.join('\n')}\n`);
      return path;
    };

    before(async () => {
      model = await save('whole', sized);
      await writeFile(at('dev.tsv'), 'sentence\tlabel\na b c\t1\nd e\t0\n');
    });

    it('not where nothing is wrong', async () => {
      const { code, stderr } = await runCli(['eval', model, ...data(), ...FLAGS]);
      assert.equal(code, 0, stderr);
    });

    for (const other of FAMILY_TOYS.filter(({ family }) => family !== toy.family))
      it(`as a ${other.family.title}`, () =>
        assertRefused(
          ['eval', model, ...data(), '--family', other.family.id],
          [/model\.safetensors/, new RegExp(other.family.title)],
        ));

    it('without a parameter of its neurons', async () => {
      const name = OF_NEURONS[toy.family.id];
      const path = at('lacking/model.safetensors');
      await save('lacking', sized);
      const structure = structureOf(sized.family, sized.config);
      const parameters = structure.layout.parameters.filter((one) => one.name !== name);
      assert.equal(parameters.length, structure.layout.parameters.length - 1);
      await writeRandomModel(
        path,
        { ...structure, layout: { ...structure.layout, parameters } },
        1,
      );
      const named = new RegExp(name.replace(/[.]/g, '\\.'));
      await assertRefused(['eval', path, ...data()], [/lacking.model\.safetensors/, named]);
    });

    it('with a sentence longer than its positions', async () => {
      const words = Array.from({ length: toy.config.contextLength + 1 }, () => 'a').join(' ');
      await writeFile(at('long.tsv'), `sentence\tlabel\nb\t1\n${words}\t1\n`);
      await assertRefused(
        ['eval', model, '--data', at('long.tsv')],
        // The sentence, its tokens with the special ones, and the positions.
        [/sentence 2 of .*long\.tsv/, new RegExp(`got ${toy.config.contextLength + 3} tokens`)],
      );
    });

    it('with a vocabulary of more tokens than it has', async () => {
      const path = await save('large', sized, [...PIECES, ...LETTERS.map((one) => `##${one}`)]);
      await assertRefused(['eval', path, ...data()], [/vocab\.txt/, /56/, /30/]);
    });

    it('with a vocabulary that lacks a special token', async () => {
      const path = await save(
        'other',
        sized,
        PIECES.filter((piece) => piece !== '[SEP]'),
      );
      await assertRefused(['eval', path, ...data()], [/got no \[SEP\]/]);
    });
  });
