import type * as TypeScript from 'typescript';

/** The part of the compiler that is used here. */
export type CellCompiler = Pick<
  typeof TypeScript,
  | 'createSourceFile'
  | 'forEachChild'
  | 'isForOfStatement'
  | 'isFunctionLike'
  | 'isShorthandPropertyAssignment'
  | 'ScriptTarget'
>;

/**
 * A cell's code, written so that tslab 1.0 understands two things that it else gets wrong:
 *
 * - `{ model }` becomes `{ model: model }`: of names of earlier cells, which tslab turns into members of
 *   an object, it leaves these out, and they are not defined;
 * - before a `for await` outside of functions comes an `await`, without which it is a syntax error.
 */
export function rewriteCell(code: string, compiler: CellCompiler): string {
  const file = compiler.createSourceFile('cell.ts', code, compiler.ScriptTarget.ES2022, true);
  const shorthands: { readonly end: number; readonly name: string }[] = [];
  const awaiting: TypeScript.Node[] = [];
  const visit = (node: TypeScript.Node, inFunction: boolean): void => {
    if (compiler.isShorthandPropertyAssignment(node))
      shorthands.push({ end: node.name.getEnd(), name: node.name.text });
    if (compiler.isForOfStatement(node) && node.awaitModifier && !inFunction) awaiting.push(node);
    const inside = inFunction || compiler.isFunctionLike(node);
    compiler.forEachChild(node, (child) => {
      visit(child, inside);
    });
  };
  visit(file, false);
  const written = shorthands.reduceRight(
    (text, { end, name }) => `${text.slice(0, end)}: ${name}${text.slice(end)}`,
    code,
  );
  return awaiting.length > 0 ? `await undefined; ${written}` : written;
}
