import { randomBytes } from 'node:crypto';
import type { Json } from '../util/json.js';

/** One output in several forms, by MIME type; each front end shows the richest that it knows. */
export type MimeBundle = Readonly<Record<string, Json>>;

interface Transient {
  readonly display_id?: string;
}

/** tslab's internal way to send a message of type `display_data` or `update_display_data`. */
type CellWriter = (
  content: { data: MimeBundle; metadata: object; transient: Transient },
  update: boolean,
) => void;

interface TslabJupyter {
  readonly lastWriteDisplayData: CellWriter | null;
}

/**
 * The writer of the running cell's tslab, where one runs. It is looked up among the loaded modules: a copy
 * that is loaded anew would know no cell, and cost a second.
 */
function cellWriter(): CellWriter | undefined {
  for (const [name, module] of Object.entries(require.cache)) {
    if (!/[\\/]tslab[\\/]dist[\\/]jupyter\.js$/.test(name)) continue;
    const write = (module?.exports as TslabJupyter).lastWriteDisplayData;
    if (write != null) return write;
  }
  return undefined;
}

/** True where a notebook's cell is running; elsewhere output is printed as text. */
export function inNotebook(): boolean {
  return cellWriter() !== undefined;
}

/**
 * Shows one output below the running cell. tslab's public `display` carries a single MIME type, so its
 * internal function is called; this is the only place that does.
 *
 * @param bundle must have text/plain, which is printed where no notebook runs.
 */
export function displayBundle(bundle: MimeBundle): void {
  if (!send(bundle, {}, false)) print(bundle);
}

/** An output that can be replaced after it was shown. */
export interface LiveDisplay {
  update(bundle: MimeBundle): void;
}

/** Like {@link displayBundle}; outside a notebook the first bundle is printed, updates are not. */
export function displayLive(bundle: MimeBundle): LiveDisplay {
  const transient = { display_id: randomBytes(8).toString('hex') };
  if (!send(bundle, transient, false)) print(bundle);
  return {
    update: (next) => {
      send(next, transient, true);
    },
  };
}

function send(bundle: MimeBundle, transient: Transient, update: boolean): boolean {
  const write = cellWriter();
  if (write === undefined) return false;
  write({ data: bundle, metadata: {}, transient }, update);
  return true;
}

function print(bundle: MimeBundle): void {
  const text = bundle['text/plain'];
  if (typeof text === 'string' && text !== '') process.stdout.write(`${text}\n`);
}
