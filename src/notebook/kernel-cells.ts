import type * as TypeScript from 'typescript';

/** The part of the compiler that is used here. */
export type CellCompiler = Pick<
  typeof TypeScript,
  | 'createSourceFile'
  | 'forEachChild'
  | 'isBindingElement'
  | 'isForOfStatement'
  | 'isFunctionLike'
  | 'isIdentifier'
  | 'isImportDeclaration'
  | 'isNamedImports'
  | 'isShorthandPropertyAssignment'
  | 'ScriptTarget'
>;

/**
 * A cell's code, written so that tslab 1.0 understands three things that it else gets wrong:
 *
 * - `{ model }` becomes `{ model: model }`: of names of earlier cells, which tslab turns into members of
 *   an object, it leaves these out, and they are not defined;
 * - `({ run: { metric } }) => …` becomes `({ 'run': { metric } }) => …`: it takes a property's name in a pattern
 *   for a name of an earlier cell, where an earlier cell's variable has that property;
 * - before a `for await` outside of functions comes an `await`, without which it is a syntax error.
 */
export function rewriteCell(code: string, compiler: CellCompiler): string {
  const file = compiler.createSourceFile('cell.ts', code, compiler.ScriptTarget.ES2022, true);
  const edits: { readonly at: number; readonly text: string }[] = [];
  const awaiting: TypeScript.Node[] = [];
  const visit = (node: TypeScript.Node, inFunction: boolean): void => {
    if (compiler.isShorthandPropertyAssignment(node))
      edits.push({ at: node.name.getEnd(), text: `: ${node.name.text}` });
    if (
      compiler.isBindingElement(node) &&
      node.propertyName &&
      compiler.isIdentifier(node.propertyName)
    )
      for (const at of [node.propertyName.getStart(file), node.propertyName.getEnd()])
        edits.push({ at, text: "'" });
    if (compiler.isForOfStatement(node) && node.awaitModifier && !inFunction) awaiting.push(node);
    const inside = inFunction || compiler.isFunctionLike(node);
    compiler.forEachChild(node, (child) => {
      visit(child, inside);
    });
  };
  visit(file, false);
  const written = edits.reduceRight(
    (text, { at, text: added }) => `${text.slice(0, at)}${added}${text.slice(at)}`,
    code,
  );
  return awaiting.length > 0 ? `await undefined; ${written}` : written;
}

/** An import of a cell as code by itself, and what it imports name by name. */
export interface CellImport {
  readonly whole: string;
  /** More than one where it names several: an import of one name each. */
  readonly parts: readonly string[];
}

/** The imports of a cell: tslab forgets those of a cell that fails, whatever it failed of. */
export function importsOf(code: string, compiler: CellCompiler): CellImport[] {
  const file = compiler.createSourceFile('cell.ts', code, compiler.ScriptTarget.ES2022, true);
  return file.statements.filter(compiler.isImportDeclaration).map((statement) => {
    const whole = statement.getText(file);
    const names = statement.importClause?.namedBindings;
    if (names === undefined || !compiler.isNamedImports(names)) return { whole, parts: [whole] };
    const from = statement.moduleSpecifier.getText(file);
    const parts = names.elements.map((name) => `import { ${name.getText(file)} } from ${from};`);
    return { whole, parts };
  });
}

/**
 * Imports again what a cell that failed has imported, so that the next one finds it.
 *
 * @param execute runs code as a cell; false where that fails.
 */
export async function keepImports(
  imports: readonly CellImport[],
  execute: (code: string) => Promise<boolean>,
): Promise<void> {
  for (const { whole, parts } of imports) {
    if (await execute(whole)) continue;
    // One name that there is not must not take the others along.
    if (parts.length > 1) for (const part of parts) await execute(part);
  }
}
