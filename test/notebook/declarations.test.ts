import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Compiler from 'typescript';
import { packagePath } from '../../src/util/paths.js';

describe('declarations', () => {
  const entry = packagePath('dist', 'index.d.ts');

  it('of the compiled package can be read by the compiler of the cells', function () {
    // `npm test` compiles first.
    if (!existsSync(entry)) this.skip();
    const load = createRequire(createRequire(__filename).resolve('tslab'));
    const ts = load('@tslab/typescript-for-tslab') as typeof Compiler;
    const program = ts.createProgram([entry], {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      // As tslab has it.
      moduleResolution: ts.ModuleResolutionKind.Node10,
      lib: ['lib.es2022.d.ts'],
      esModuleInterop: true,
      noEmit: true,
    });
    const root = packagePath('dist');
    const own = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(root));
    assert.ok(own.length > 50);
    const faults = own
      .flatMap((file) => [
        ...program.getSyntacticDiagnostics(file),
        ...program.getSemanticDiagnostics(file),
      ])
      .map(({ file, messageText }) => {
        const text = ts.flattenDiagnosticMessageText(messageText, '\n');
        return `${file?.fileName ?? ''}: ${text}`;
      });
    assert.deepEqual(faults, []);
  });
});
