/** Ends a text: what comes after it is another one. */
export const END_OF_TEXT = '<|endoftext|>';

/** Tokens that mean something to a training program, and nothing to a reader. */
export const NEVER_DRAWN: readonly string[] = ['<|padding|>', '<unk>'];
