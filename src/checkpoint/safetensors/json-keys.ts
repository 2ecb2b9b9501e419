/** Strings, and what opens, closes and separates; numbers and literals do not matter here. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}:]/g;

/**
 * The first key that an object of the text holds twice, at any depth. `JSON.parse` keeps the last one
 * without a word, and another reader may keep the first: a file that two programs read differently.
 *
 * @param json valid JSON.
 */
export function duplicateKey(json: string): string | undefined {
  const open: Set<string>[] = [];
  let text = '';
  for (const [token] of json.matchAll(TOKENS)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (token === ':') {
      const key = JSON.parse(text) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) return key;
      keys.add(key);
    } else text = token;
  }
  return undefined;
}
