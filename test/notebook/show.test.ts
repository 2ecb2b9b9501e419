import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { inspect } from 'node:util';
import { show } from '../../src/notebook/show.js';
import { chart } from '../../src/plots/parts/spec.js';
import { inCell, textIn } from './tslab.js';

const SPEC = chart('Two bars </script> & one quote "', {
  data: { values: [{ x: 'a', y: 1 }] },
  mark: 'bar',
  encoding: { x: { field: 'x', type: 'nominal' }, y: { field: 'y', type: 'quantitative' } },
});

describe('show', () => {
  it('sends vega once, then each figure in five forms', async () => {
    // As in a kernel that has just started, whichever test ran before.
    const load = createRequire(__filename);
    Reflect.deleteProperty(load.cache, load.resolve('../../src/notebook/show.ts'));
    const fresh = load('../../src/notebook/show.ts') as { show: typeof show };
    const sent = await inCell(async () => {
      await fresh.show(SPEC);
      await fresh.show(SPEC);
    });
    const [scripts, first, second] = sent.map(({ data }) => data);
    assert.equal(sent.length, 3);
    assert.match(textIn(scripts, 'text/html'), /vegaEmbed/);
    assert.ok(textIn(scripts, 'text/html').length > 500_000);

    assert.deepEqual(Object.keys(first), [
      'application/vnd.vegalite.v5+json',
      'text/html',
      'image/svg+xml',
      'image/png',
      'text/plain',
    ]);
    const json = first['application/vnd.vegalite.v5+json'] as { $schema: string; mark: string };
    assert.match(json.$schema, /vega-lite\/v5\.json$/);
    assert.equal(json.mark, 'bar');
    assert.match(textIn(first, 'image/svg+xml'), /^<svg /);
    assert.match(textIn(first, 'image/png'), /^iVBORw0KGgo/);
    assert.equal(first['text/plain'], SPEC.description);

    const idOf = (html: unknown): string | undefined => /id="([^"]+)"/.exec(String(html))?.[1];
    assert.notEqual(idOf(first['text/html']), idOf(second['text/html']));
  });

  it('is what a figure that is only printed asks for', () => {
    const printed = inspect(SPEC);
    assert.equal(printed, `A figure: ${SPEC.description}\nTo see it: await show(figure)`);
    assert.deepEqual(
      Object.keys(SPEC).sort(),
      [...Object.keys(JSON.parse(JSON.stringify(SPEC)) as object)].sort(),
    );
  });

  it('holds the picture and a script that its own text cannot end', async () => {
    const sent = await inCell(() => show(SPEC));
    const html = textIn(sent.at(-1)?.data, 'text/html');
    assert.match(html, /<img src="data:image\/svg\+xml;base64,/);
    assert.equal(html.match(/<\/script>/g)?.length, 1);
    assert.doesNotMatch(html, /https?:\/\/(?!vega\.github\.io\/schema)/);
  });
});
