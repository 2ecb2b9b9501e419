import type * as TypeScript from 'typescript';

/** What is used of the compiler. */
export type CellCompiler = Pick<
  typeof TypeScript,
  'createSourceFile' | 'forEachChild' | 'isShorthandPropertyAssignment' | 'ScriptTarget'
>;

/**
 * A cell's code with `{ model }` written out as `{ model: model }`, which means the same. tslab turns
 * names of earlier cells into members of an object, but leaves these out, and then they are not defined.
 */
export function writeOutShorthands(code: string, compiler: CellCompiler): string {
  const file = compiler.createSourceFile('cell.ts', code, compiler.ScriptTarget.ES2022, true);
  const ends: { readonly at: number; readonly name: string }[] = [];
  const visit = (node: TypeScript.Node): void => {
    if (compiler.isShorthandPropertyAssignment(node))
      ends.push({ at: node.name.getEnd(), name: node.name.text });
    compiler.forEachChild(node, visit);
  };
  visit(file);
  return ends.reduceRight(
    (text, { at, name }) => `${text.slice(0, at)}: ${name}${text.slice(at)}`,
    code,
  );
}
