import { PlotError } from '../../util/errors.js';
import type { ChartSpec } from '../parts/spec.js';
import { textWidth } from '../parts/text-width.js';

/** The part of vega's View that is used here: see vega-typings for the whole. */
export interface HeadlessView {
  signal(name: string): unknown;
  signal(name: string, value: unknown): this;
  data(name: string): Record<string, unknown>[];
  runAsync(): Promise<unknown>;
  toSVG(scale?: number): Promise<string>;
  finalize(): unknown;
}

/** Dragging and zooming listen to the browser's window. Without one there is nobody to drag. */
const NO_WINDOW = 'Can not resolve event source: window';

/** Is told of the complaints of vega and vega-lite. */
export type WarningListener = (message: string) => void;

/** A text mark as vega measures it: the parts that matter here. */
interface TextItem {
  readonly fontSize?: number;
  readonly fontWeight?: string | number;
  readonly limit?: number;
}

/** Vega's exchangeable text measure; exported, but missing in its typings. */
interface TextMetrics {
  width: (item: TextItem, text: unknown) => number;
  readonly estimateWidth: TextMetrics['width'];
}

function measureText({ fontSize = 11, fontWeight, limit }: TextItem, text: unknown): number {
  const bold = fontWeight === 'bold' || Number(fontWeight) >= 600;
  const width = textWidth(typeof text === 'string' ? text.trim() : String(text), fontSize, bold);
  return limit !== undefined && limit > 0 ? Math.min(limit, width) : width;
}

/** vega and vega-lite, which are ESM with a top-level await: only a dynamic import can load them. */
async function loadVega() {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  const { textMetrics: metrics } = vega as unknown as { textMetrics: TextMetrics };
  // With a canvas vega measures by itself.
  if (metrics.width === metrics.estimateWidth) metrics.width = measureText;
  return { vega, vegaLite };
}

/** A logger as vega and vega-lite expect it. */
interface Logger {
  level(): number;
  error(...parts: readonly unknown[]): Logger;
  warn(...parts: readonly unknown[]): Logger;
  info(): Logger;
  debug(): Logger;
}

/** Passes complaints on. Closures, not methods: vega calls them with a `this` of its own. */
function listeningLogger(onError: WarningListener, onWarning: WarningListener): Logger {
  const tell =
    (listener: WarningListener) =>
    (...parts: readonly unknown[]): Logger => {
      listener(parts.map(String).join(' '));
      return logger;
    };
  const ignore = (): Logger => logger;
  const passed = { error: tell(onError), warn: tell(onWarning) };
  const logger: Logger = { level: () => 2, ...passed, info: ignore, debug: ignore };
  return logger;
}

/**
 * Compiles a figure and runs its dataflow without a browser: signals can be set and data read, and it
 * draws SVG. The caller calls `finalize()` when done.
 *
 * @throws {PlotError} when the specification does not compile or its dataflow fails.
 */
export async function openHeadless(
  spec: ChartSpec,
  onWarning: WarningListener = () => undefined,
): Promise<HeadlessView> {
  const { vega, vegaLite } = await loadVega();
  const errors: string[] = [];
  const logger = listeningLogger(
    (message) => errors.push(message),
    (message) => {
      if (message !== NO_WINDOW) onWarning(message);
    },
  );
  const failed = (got: string, cause?: unknown): PlotError =>
    new PlotError({ what: 'the figure cannot be drawn', where: spec.description, got }, { cause });
  let view: HeadlessView;
  try {
    const source = spec as unknown as Parameters<typeof vegaLite.compile>[0];
    const compiled = vegaLite.compile(source, { logger });
    view = new vega.View(vega.parse(compiled.spec), { renderer: 'none', logger });
    await view.runAsync();
  } catch (error) {
    throw failed(String(error), error);
  }
  // An error inside the dataflow is logged by vega, not thrown.
  if (errors.length > 0) {
    view.finalize();
    throw failed(errors.join('; '));
  }
  return view;
}

/** The figure as SVG text, drawn without a browser. @throws {PlotError} when it cannot be drawn. */
export async function renderSvg(spec: ChartSpec): Promise<string> {
  const view = await openHeadless(spec);
  try {
    // Ids of clip paths are counted up over all pictures; equal figures shall give equal bytes.
    const { vega } = await loadVega();
    vega.resetSVGDefIds();
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
