import assert from 'node:assert/strict';
import { createContext, Script } from 'node:vm';
import { loadVegaBundle } from '../../src/figures/vega-bundle.js';
import { uniformChart } from '../../src/plots/figures/uniform.js';
import { vegaScripts, type VegaBundle } from '../../src/plots/render/page.js';
import { render } from '../../src/plots/render/render.js';
import { renderReport, type Report } from '../../src/plots/render/report.js';
import { UNIFORM } from './records.js';

const TINY: VegaBundle = {
  vega: 'var vega = 1;',
  vegaLite: 'var vl = 2;',
  vegaEmbed: 'var ve = 3;',
};

function reportWith(overrides: Partial<Report> = {}): Report {
  return {
    title: 'A <report> & "more"',
    date: '2025-01-01',
    facts: [['Model', 'spikegpt-mini']],
    sections: [
      {
        heading: 'Uniform </script><script>alert(1)</script>',
        paragraphs: ['Text with <b>no</b> markup.'],
        chart: uniformChart(UNIFORM, { sst2: '</script><!-- <script>' }),
        tables: [{ caption: 'Numbers', columns: ['Bits', 'MB'], rows: [['8 bit', 3.69]] }],
      },
      { heading: 'Second', chart: uniformChart(UNIFORM) },
    ],
    ...overrides,
  };
}

function scriptsOf(html: string): string[] {
  return [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map((match) => match[1]);
}

describe('plots/report', () => {
  it('inlines each vega script once, whatever the number of figures', async () => {
    const bundle = await loadVegaBundle();
    const html = await renderReport(reportWith(), bundle);
    const long = scriptsOf(html).filter((script) => script.length > 50_000);
    assert.equal(long.length, 3);
    assert.ok(html.length < 2_500_000, `${html.length} bytes`);
  });

  it('refers to nothing outside itself', async () => {
    const html = await renderReport(reportWith(), await loadVegaBundle());
    const markup = html.replace(/<script>[\s\S]*?<\/script>/g, '');
    const targets = [...markup.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1]);
    assert.ok(targets.length >= 3);
    for (const target of targets) assert.match(target, /^(data:|#)/);
    assert.doesNotMatch(markup, /@import|url\(/);
    assert.match(markup, /Content-Security-Policy" content="default-src 'none'/);
    assert.doesNotMatch(html, /sourceMappingURL/);
  });

  it('writes only scripts that parse, and text that cannot end them', async () => {
    const html = await renderReport(reportWith(), await loadVegaBundle());
    const scripts = scriptsOf(html);
    assert.equal(scripts.length, 3 + 1 + 2);
    for (const script of scripts) assert.doesNotThrow(() => new Script(script));
    assert.ok(!html.includes('alert(1)</script>'));
    assert.ok(html.includes('&lt;b&gt;no&lt;/b&gt;'));
    assert.ok(html.includes('<title>A &lt;report&gt; &amp; &quot;more&quot;</title>'));
  });

  it('gives the page the specification unchanged', async () => {
    const html = await renderReport(reportWith(), TINY);
    const seen: unknown[] = [];
    const context = createContext({
      embedFigure: (id: string, spec: unknown) => seen.push(id, spec),
    });
    for (const script of scriptsOf(html))
      if (script.startsWith('embedFigure(')) new Script(script).runInContext(context);
    assert.equal(seen[0], 'figure-1');
    const [first, second] = reportWith().sections;
    assert.deepEqual(JSON.parse(JSON.stringify([seen[1], seen[3]])), [first.chart, second.chart]);
  });

  it('carries a static picture of each figure, with a description', async () => {
    const html = await renderReport(reportWith(), TINY);
    const pictures = [
      ...html.matchAll(/<img src="data:image\/svg\+xml;base64,([^"]*)" alt="([^"]*)"/g),
    ];
    assert.equal(pictures.length, 2);
    for (const [, data, alt] of pictures) {
      assert.match(Buffer.from(data, 'base64').toString('utf8'), /^<svg [\s\S]*<\/svg>$/);
      assert.match(alt, /^Uniform quantization of spikegpt-mini/);
    }
  });

  it('has tables with caption and header scopes, numbers to the right', async () => {
    const html = await renderReport(reportWith(), TINY);
    assert.ok(html.includes('<caption>Numbers</caption>'));
    assert.ok(html.includes('<th scope="col">Bits</th><th scope="col" class="number">MB</th>'));
    assert.ok(html.includes('<th scope="row">8 bit</th><td class="number">3.69</td>'));
  });

  it('puts the lead before the contents, points in a list, lines of a cell under each other', async () => {
    const sections = [
      { heading: 'One', tables: [{ caption: 'T', columns: ['a\nb'], rows: [['<x>\ny']] }] },
      { heading: 'Two' },
      { heading: 'Three' },
    ];
    const lead = { heading: 'Lead', points: ['1 < 2'] };
    const html = await renderReport({ title: 'Lead', lead, sections }, TINY);
    assert.ok(html.includes('<h2>Lead</h2>\n<ul><li>1 &lt; 2</li></ul>'));
    assert.ok(html.indexOf('<h2>Lead</h2>') < html.indexOf('<nav'));
    assert.ok(html.includes('a<br>b') && html.includes('&lt;x&gt;<br>y'));
  });

  it('leaves the scripts out where there is no figure', async () => {
    const html = await renderReport({ title: 'Bare', sections: [{ heading: 'One' }] }, TINY);
    assert.equal(scriptsOf(html).length, 0);
  });

  it('defines its globals also under require.js and a foreign `module`', async () => {
    const context = createContext({
      define: Object.assign(() => assert.fail('registered with require.js'), { amd: {} }),
      module: { exports: {} },
      exports: {},
      structuredClone,
    });
    for (const script of scriptsOf(vegaScripts(await loadVegaBundle())).slice(0, 2))
      new Script(script).runInContext(context);
    assert.equal(
      new Script('typeof vega.View + typeof vegaLite.compile').runInContext(context),
      'functionfunction',
    );
  });
});

describe('plots/render', () => {
  it('draws svg text and a page, and says what is missing for the rest', async () => {
    const chart = uniformChart(UNIFORM);
    assert.match(String(await render(chart, 'svg')), /^<svg /);
    const page = String(await render(chart, 'html', TINY));
    assert.match(page, /<title>Uniform quantization/);
    assert.equal(page.match(/<figure/g)?.length, 1);
    await assert.rejects(render(chart, 'html'), /expected a VegaBundle/);
  });

  it('gives equal bytes for equal input', async () => {
    assert.equal(
      await render(uniformChart(UNIFORM), 'svg'),
      await render(uniformChart(UNIFORM), 'svg'),
    );
  });

  it('names the figure that does not compile', async () => {
    const broken = {
      ...uniformChart(UNIFORM),
      vconcat: [{ mark: 'bar', transform: [{ filter: 'datum.(' }] }],
    };
    await assert.rejects(render(broken, 'svg'), /Uniform quantization.*cannot be drawn/);
  });
});
