/**
 * The Jupyter kernel "TypeScript (qslm)": tslab, in which this package is at hand as `qslm` whatever
 * folder the notebook lies in, and which reports errors in words rather than in pages of stack.
 *
 *   node dist/notebook/kernel.js CONNECTION_FILE
 *
 * Jupyter calls it so: kernels/qslm/kernel.json.
 */
import { writeSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { packagePath } from '../util/paths.js';
import { describeError } from './errors.js';
import { importsOf, keepImports, rewriteCell, type CellCompiler } from './kernel-cells.js';
import { cancelBriefly, type CellQueue } from './kernel-queue.js';
import { forwardCompiler, forwardRequire, type CompilerSystem } from './kernel-resolve.js';

/** The part of `tslab/dist/main` that is used here. */
interface TslabMain {
  readonly startKernel: (options: {
    readonly configPath: string;
    readonly enableFindLocal: boolean;
    readonly jsKernel: boolean;
    readonly globalVersion: string;
  }) => void;
}

/** The part of `tslab/dist/jupyter` that is used here: the handler of a front end's requests. */
interface Handler {
  readonly executor: { execute(code: string): Promise<boolean> };
  close: () => void;
  handleExecuteImpl: (request: { readonly code: string }, ...rest: unknown[]) => Promise<unknown>;
}
interface TslabJupyter {
  readonly JupyterHandlerImpl: { readonly prototype: Handler };
}

interface TslabUtil {
  readonly TaskQueue: { readonly prototype: CellQueue };
}

/** Begins the lines in Jupyter's log that `npm run notebooks` looks for. */
const REJECTION_MARK = 'UnhandledPromiseRejection:';

/** Milliseconds for the last messages to leave. */
const FAREWELL_MS = 300;

function startKernel(configPath: string): void {
  const root = packagePath();
  const requireTslab = createRequire(require.resolve('tslab'));
  const compiler = requireTslab('@tslab/typescript-for-tslab') as CellCompiler & {
    readonly sys: CompilerSystem;
  };
  forwardCompiler(compiler.sys, root);
  forwardRequire(Module, root);
  reportReadably();
  logRejections();
  const { JupyterHandlerImpl } = requireTslab('./jupyter.js') as TslabJupyter;
  const handler = JupyterHandlerImpl.prototype;
  endWhenClosed(handler);
  rewriteCells(handler, compiler);
  cancelBriefly((requireTslab('./util.js') as TslabUtil).TaskQueue.prototype);
  const { startKernel: start } = requireTslab('./main.js') as TslabMain;
  // Another tslab beside the notebook would know nothing of the above.
  start({ configPath, enableFindLocal: false, jsKernel: false, globalVersion: '' });
}

/** Worker threads of an evaluator that was left open would keep the process alive until it is killed. */
function endWhenClosed(handler: Handler): void {
  const close = handler.close;
  handler.close = function (this: unknown): void {
    close.call(this);
    setTimeout(() => process.exit(0), FAREWELL_MS).unref();
  };
}

function rewriteCells(handler: Handler, compiler: CellCompiler): void {
  const execute = handler.handleExecuteImpl;
  handler.handleExecuteImpl = async function (this: Handler, request, ...rest): Promise<unknown> {
    const code = rewriteCell(request.code, compiler);
    try {
      return await execute.call(this, { ...request, code }, ...rest);
    } catch (failure) {
      await keepImports(importsOf(code, compiler), async (part) => {
        isQuiet = true;
        return this.executor.execute(part).finally(() => (isQuiet = false));
      });
      throw failure;
    }
  };
}

/** Set while something is tried whose failure was told already. */
let isQuiet = false;

/** tslab prints what a cell throws with `console.error(error)`, taken when it starts. */
function reportReadably(): void {
  const print = console.error.bind(console);
  console.error = (...parts: unknown[]): void => {
    if (isQuiet) return;
    print(...parts.map((part) => (part instanceof Error ? describeError(part) : part)));
  };
}

/**
 * tslab tells of a rejection that nobody waits for as output of the last cell, which has often ended by
 * then: who executes a notebook without a person looks for it in Jupyter's log.
 */
function logRejections(): void {
  process.on('unhandledRejection', (reason) => {
    try {
      writeSync(process.stderr.fd, `${REJECTION_MARK} ${describeError(reason)}\n`);
    } catch {
      // Nobody reads the log.
    }
  });
}

startKernel(process.argv[2]);
