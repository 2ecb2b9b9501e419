import { toWikiText, wikiTextHeading } from '../../tokenizer/normaliser.js';
import { DataError } from '../../util/errors.js';

/** `# Title`, `## Section`: as many marks as levels. */
const HEADING = /^(#{1,6})[ \t]+(.*\S)[ \t]*$/u;
/** Lines between `---` at the beginning of a file. */
const FRONT_MATTER = /^---\n[\s\S]*?\n---(?:\n|$)/u;

/**
 * An article in Markdown, as WikiText lays one out: an empty line, ` = Title = `, an empty line, a
 * paragraph a line, sections as ` = = Section = = ` between empty lines, an empty line at the end.
 * Paragraphs are separated by empty lines and may be wrapped. Front matter is left out.
 *
 * @param where names the article in errors.
 * @throws {DataError} when the first line is not `# Title`, a second title follows, or there is no text.
 */
export function articleToWikiText(markdown: string, where: string): string {
  const lines = markdown
    .replace(/^\uFEFF/u, '')
    .replaceAll('\r\n', '\n')
    .replace(FRONT_MATTER, '')
    .trim()
    .split('\n');
  checkTitle(lines, where);
  const output: string[] = [];
  let paragraph: string[] = [];
  const endParagraph = (): void => {
    if (paragraph.length > 0) output.push(toWikiText(paragraph.join(' ')));
    paragraph = [];
  };
  for (const line of lines) {
    const heading = HEADING.exec(line);
    if (heading === null && line.trim() !== '') {
      paragraph.push(line);
      continue;
    }
    endParagraph();
    if (heading !== null) output.push(' ', wikiTextHeading(heading[2], heading[1].length), ' ');
  }
  endParagraph();
  return `${output.join('\n')}\n \n`;
}

function checkTitle(lines: readonly string[], where: string): void {
  const levels = lines.map((line) => HEADING.exec(line)?.[1].length);
  const fault = (what: string, got: string, expected: string): DataError =>
    new DataError({ what, where, got, expected });
  if (levels[0] !== 1)
    throw fault('article has no title', JSON.stringify(lines[0].slice(0, 60)), 'a line "# Title"');
  if (levels.filter((level) => level === 1).length > 1)
    throw fault('article has two titles', 'a second line "# …"', 'sections as "## Section"');
  if (levels.every((level, index) => level !== undefined || lines[index].trim() === ''))
    throw fault('article has no text', 'headings only', 'paragraphs below the title');
}
