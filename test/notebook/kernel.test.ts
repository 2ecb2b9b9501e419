import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import {
  importsOf,
  keepImports,
  rewriteCell,
  type CellCompiler,
} from '../../src/notebook/kernel-cells.js';
import { cancelBriefly, type CellQueue } from '../../src/notebook/kernel-queue.js';
import { forwardCompiler, forwardRequire } from '../../src/notebook/kernel-resolve.js';
import { packagePath } from '../../src/util/paths.js';

const FOLDER = packagePath('kernels', 'qslm');

describe('kernelspec', () => {
  const spec = JSON.parse(readFileSync(join(FOLDER, 'kernel.json'), 'utf8')) as {
    argv: string[];
    display_name: string;
    language: string;
  };

  it('is called by its name and leads to the kernel wherever the package lies', () => {
    assert.equal(spec.display_name, 'TypeScript (qslm)');
    assert.equal(spec.language, 'typescript');
    const [program, script, connection] = spec.argv;
    assert.deepEqual([program, connection], ['node', '{connection_file}']);
    const compiled = script.replace('{resource_dir}', FOLDER);
    const source = compiled
      .replace(/([\\/])dist([\\/])(?!.*[\\/]dist[\\/])/, '$1src$2')
      .replace(/\.js$/, '.ts');
    assert.ok(existsSync(source), source);
  });

  it('has logos of the sizes that Jupyter looks for', () => {
    for (const size of [32, 64]) {
      const png = readFileSync(join(FOLDER, `logo-${size}x${size}.png`));
      assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [size, size]);
    }
    assert.match(readFileSync(join(FOLDER, 'logo-svg.svg'), 'utf8'), /^<svg /);
  });
});

describe('the package in a cell', () => {
  const root = packagePath();

  it('is found by the compiler below any folder, and nothing else changes', () => {
    const asked: string[] = [];
    const seen = (path: string): boolean => asked.push(path) > 0;
    const system = {
      fileExists: seen,
      directoryExists: seen,
      readFile: (path: string) => path,
      realpath: (path: string) => path,
    };
    forwardCompiler(system, root);
    system.fileExists('/far/away/node_modules/qslm/package.json');
    system.directoryExists('/far/away/node_modules/qslm');
    system.fileExists('/far/away/node_modules/qslm-other/package.json');
    assert.deepEqual(asked, [
      join(root, 'package.json'),
      root,
      '/far/away/node_modules/qslm-other/package.json',
    ]);
    assert.equal(
      system.realpath('/far/away/node_modules/qslm/dist/index.d.ts'),
      join(root, 'dist/index.d.ts'),
    );
    assert.equal(system.readFile('/far/away/a.ts'), '/far/away/a.ts');
  });

  it('is what require finds by its name, where it is not installed', () => {
    const loader = {
      _resolveFilename: (request: string): string => {
        const there = [root, join(root, 'package.json'), join(root, 'dist', 'internal')];
        if (there.includes(request)) return request;
        throw new Error(`Cannot find module '${request}'`);
      },
    };
    forwardRequire(loader, root);
    assert.equal(loader._resolveFilename('qslm'), root);
    assert.equal(loader._resolveFilename('qslm/package.json'), join(root, 'package.json'));
    assert.equal(loader._resolveFilename('qslm/internal'), join(root, 'dist', 'internal'));
    assert.throws(() => loader._resolveFilename('qslm-other'), /Cannot find module 'qslm-other'/);
  });

  it('still has the hooks to hold on to in Node and in tslab', () => {
    const load = createRequire(__filename);
    const loader = load('node:module') as { _resolveFilename?: unknown };
    assert.equal(typeof loader._resolveFilename, 'function');
    const inTslab = createRequire(load.resolve('tslab'));
    const { sys } = inTslab('@tslab/typescript-for-tslab') as { sys: Record<string, unknown> };
    for (const name of ['fileExists', 'directoryExists', 'readFile', 'realpath'])
      assert.equal(typeof sys[name], 'function', name);
    const { JupyterHandlerImpl } = inTslab('./jupyter.js') as {
      JupyterHandlerImpl: { prototype: Record<string, unknown> };
    };
    for (const name of ['close', 'handleExecuteImpl'])
      assert.equal(typeof JupyterHandlerImpl.prototype[name], 'function', name);
  });
});

describe('cells after a failed one', () => {
  it('are cancelled if they were sent before it ended, and run if they were sent when its end was seen', async () => {
    const { TaskQueue } = createRequire(createRequire(__filename).resolve('tslab'))(
      './util.js',
    ) as {
      TaskQueue: new () => { add<T>(task: () => Promise<T>): Promise<T>; reset(ms: number): void };
    };
    // A queue of this test alone: the prototype is the process's.
    class Queue extends TaskQueue {}
    cancelBriefly(Queue.prototype as unknown as CellQueue);
    const queue = new Queue();
    const failed = queue.add(() => Promise.reject(new Error('failed')));
    const sentBefore = queue.add(() => Promise.resolve('ran'));
    await assert.rejects(failed, /failed/);
    // As tslab does when a cell has failed.
    queue.reset(200);
    await assert.rejects(sentBefore, { name: 'TaskCanceledError' });
    await assert.rejects(
      queue.add(() => Promise.resolve('ran')),
      { name: 'TaskCanceledError' },
    );
    await setTimeout(60);
    assert.equal(await queue.add(() => Promise.resolve('ran')), 'ran');
  });
});

describe('code of a cell', () => {
  const load = createRequire(createRequire(__filename).resolve('tslab'));
  const compiler = load('@tslab/typescript-for-tslab') as CellCompiler;
  const rewritten = (code: string): string => rewriteCell(code, compiler);

  it('has shorthand properties written out, and only those', () => {
    assert.equal(
      rewritten('open({ model, ...rest, run: () => ({ task }) }); // { model }'),
      'open({ model: model, ...rest, run: () => ({ task: task }) }); // { model }',
    );
    assert.equal(rewritten('({ a, b = 1 } = x);'), '({ a: a, b: b = 1 } = x);');
    for (const code of ['const { a, b } = x;', "import { a } from 'b';", '`${1} { a }`', 'if (']) {
      assert.equal(rewritten(code), code);
    }
  });

  it('has names of properties in patterns as text, where tslab would put names of earlier cells', () => {
    assert.equal(
      rewritten('runs.map(({ name, run: { held, at: [b = { c }] }, "x": y, [z]: w }) => f(held));'),
      `runs.map(({ name, 'run': { held, 'at': [b = { c: c }] }, "x": y, [z]: w }) => f(held));`,
    );
  });

  it('waits before a `for await` that stands in no function', () => {
    const loop = 'for await (const x of y) {}';
    assert.equal(rewritten(`{ ${loop} }`), `await undefined; { ${loop} }`);
    assert.equal(rewritten(`async () => { ${loop} };`), `async () => { ${loop} };`);
    assert.equal(rewritten('for (const x of y) {}'), 'for (const x of y) {}');
  });

  it('has its imports kept by tslab where it fails, but for names that there are not', async function () {
    this.timeout(20_000);
    interface Executor {
      execute(code: string): Promise<boolean>;
      close(): void;
    }
    const inTslab = createRequire(createRequire(__filename).resolve('tslab'));
    const { createConverter } = inTslab('./converter.js') as {
      createConverter: (options: object) => { close(): void };
    };
    const { createExecutor } = inTslab('./executor.js') as {
      createExecutor: (folder: string, converters: object, console: object) => Executor;
    };
    const printed: unknown[] = [];
    const node = createConverter({ isJS: false, isBrowser: false });
    const quiet = { log: (text: unknown) => printed.push(text), error: () => undefined };
    const executor = createExecutor(process.cwd(), { node, close: () => undefined }, quiet);
    const run = (code: string): Promise<boolean> => executor.execute(code);
    try {
      const failing =
        "import { join, nosuch } from 'node:path';\nimport * as url from 'node:url';\nconst x: number = 'a';";
      const next = "join('a', 'b') + typeof url.fileURLToPath";
      assert.equal(await run(failing), false);
      assert.equal(await run(next), false, 'tslab keeps them by itself');
      const imports = importsOf(failing, compiler);
      assert.deepEqual(
        imports.map(({ parts }) => parts.length),
        [2, 1],
      );
      await keepImports(imports, run);
      assert.equal(await run(next), true);
      assert.deepEqual(printed, ['a/bfunction']);
    } finally {
      node.close();
    }
  });
});
