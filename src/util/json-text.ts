const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];

/**
 * Looks for a key that is longer than any name in use, before the text is parsed: strings of 2^14 characters and
 * more are hashed by the engine by their length alone, so that a few thousand of them take a table minutes.
 *
 * @param json UTF-8; where it is no JSON, parsing it will say so.
 * @returns the position of the first one, undefined where all are short.
 */
export function longKey(json: Uint8Array, mostBytes: number): number | undefined {
  const text = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
  let opens = text.indexOf(QUOTE);
  while (opens >= 0) {
    let closes = text.indexOf(QUOTE, opens + 1);
    while (closes >= 0 && isEscaped(text, closes)) closes = text.indexOf(QUOTE, closes + 1);
    if (closes < 0) return undefined;
    if (closes - opens > mostBytes + 1 && isKey(text, closes + 1)) return opens;
    opens = text.indexOf(QUOTE, closes + 1);
  }
  return undefined;
}

function isEscaped(text: Buffer, quote: number): boolean {
  let first = quote;
  while (text[first - 1] === BACKSLASH) first--;
  return (quote - first) % 2 === 1;
}

function isKey(text: Buffer, after: number): boolean {
  let at = after;
  // Space, tab and line ends: all of JSON's white space is at most 0x20.
  while (text[at] <= 0x20) at++;
  return text[at] === COLON;
}
