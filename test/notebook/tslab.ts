import assert from 'node:assert/strict';
import type { MimeBundle } from '../../src/notebook/display.js';

/** A message that a cell sent. */
export interface Sent {
  readonly data: MimeBundle;
  readonly update: boolean;
  readonly id: string | undefined;
}

/** The text of a form that has one. */
export function textIn(bundle: MimeBundle | undefined, type: string): string {
  const text = bundle?.[type];
  assert.equal(typeof text, 'string', `no ${type}`);
  return text as string;
}

/**
 * Runs `body` as if inside a tslab cell, and returns what it displayed: stands in for tslab's module of
 * that name among the loaded ones.
 */
export async function inCell(body: () => Promise<void> | void): Promise<Sent[]> {
  const path = '/elsewhere/node_modules/tslab/dist/jupyter.js';
  const sent: Sent[] = [];
  const lastWriteDisplayData = (
    { data, transient }: { data: MimeBundle; transient: { display_id?: string } },
    update: boolean,
  ): void => {
    sent.push({ data, update, id: transient.display_id });
  };
  require.cache[path] = { exports: { lastWriteDisplayData } } as NodeJS.Module;
  try {
    await body();
  } finally {
    Reflect.deleteProperty(require.cache, path);
  }
  return sent;
}
