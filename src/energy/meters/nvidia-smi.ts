import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { systemCode, systemReason } from '../../util/system-errors.js';
import { energyBetween, SampleReader, type GpuSample } from './gpu-samples.js';
import type { AbsentMeter, Meter, Meters } from './meter.js';

/** Between two samples. Sensors move every 15 to 100 ms, and some average over a second. */
const SAMPLE_MS = 100;

/** Longest waits for the tool's list of fields, for its first samples, and for one after a window's end. */
const LIST_MS = 10_000;
const FIRST_MS = 5_000;
const LAST_MS = 1_000;

/** A tool that prints without end or without lines must not fill the memory. */
const LONGEST_LINE = 65_536;
const LONGEST_LIST = 1_000_000;
/** Of one card: half an hour of samples. */
const MOST_SAMPLES = 20_000;

const FIELDS = ['timestamp', 'index', 'name', 'power.draw', 'utilization.gpu'];

export interface NvidiaSmiOptions {
  /** The program and what comes before its options; `nvidia-smi` by default. */
  readonly command?: readonly string[] | undefined;
  readonly sampleMs?: number | undefined;
  /** As {@link FIRST_MS}. */
  readonly firstMs?: number | undefined;
  /** As {@link LIST_MS}. */
  readonly listMs?: number | undefined;
}

/**
 * The cards that `nvidia-smi` tells of, a meter each. One process samples all of them until `close`; nothing
 * that it does (hang, fail, print what is no line) reaches further than the readings, which are then missing.
 *
 * Fields: `power.draw.instant` where the installed version lists it (`--help-query-gpu`), else `power.draw`,
 * which since Ampere is the mean of the last second. NVML's energy counter is taken where the list has a
 * field for it; the lists of drivers 590 to 610 have none.
 */
export async function nvidiaMeters({
  command = ['nvidia-smi'],
  sampleMs = SAMPLE_MS,
  firstMs = FIRST_MS,
  listMs = LIST_MS,
}: NvidiaSmiOptions = {}): Promise<Meters> {
  const none = (reason: string, needed?: string): Meters => {
    const absent: AbsentMeter = { name: 'nvidia-smi', reason, needed };
    return { meters: [], absent: [absent], close: () => Promise.resolve() };
  };
  const list = await outputOf([...command, '--help-query-gpu'], listMs);
  if ('fault' in list)
    return none(list.fault, list.missing ? 'a card of NVIDIA with its driver' : undefined);
  const listed = [...list.text.matchAll(/"([\w.]+)"/g)].map(([, name]) => name);
  const counter = listed.find((name) => /total_energy/.test(name));
  const fields = [
    ...FIELDS,
    ...(listed.includes('power.draw.instant') ? ['power.draw.instant'] : []),
    ...(counter === undefined ? [] : [counter]),
  ];
  const sampler = new Sampler(
    [
      ...command,
      `--query-gpu=${fields.join(',')}`,
      '--format=csv,nounits',
      '-lms',
      String(sampleMs),
    ],
    sampleMs,
  );
  await sampler.begun(firstMs);
  const cards = sampler.cards();
  const close = (): Promise<void> => sampler.close();
  if (cards.length === 0) {
    const fault = sampler.fault();
    await close();
    return none(fault ?? `no sample within ${firstMs / 1000} s`);
  }
  const silent = cards.filter(({ watts, joules }) => watts === undefined && joules === undefined);
  return {
    meters: cards
      .filter((card) => !silent.includes(card))
      .map((card) => new GpuMeter(card, sampler, sampleMs)),
    absent: silent.map(({ index, name }) => ({
      name: nameOf(index, name),
      reason: 'the card states no power',
    })),
    close,
  };
}

const nameOf = (index: number, name: string): string => `GPU ${index} (${name})`;

class GpuMeter implements Meter {
  readonly source = 'nvidia-smi';
  readonly name: string;
  readonly covers = 'the whole board with its memory, all that runs on it; not the host';
  readonly resolution: string;

  constructor(
    private readonly card: GpuSample,
    private readonly sampler: Sampler,
    sampleMs: number,
  ) {
    this.name = nameOf(card.index, card.name);
    this.resolution =
      card.joules === undefined
        ? `power every ${sampleMs} ms, to 5 W as its maker states; the sensor may be slower`
        : `an energy counter, looked at every ${sampleMs} ms`;
  }

  start(): ReturnType<Meter['start']> {
    const from = Date.now() / 1000;
    const { index } = this.card;
    // A sample from before the window: the power at its very beginning lies between two.
    const kept = this.sampler.keepFrom(from - 1);
    return Promise.resolve({
      stop: async () => {
        const to = Date.now() / 1000;
        await this.sampler.until(index, to, LAST_MS);
        const found = energyBetween(this.sampler.of(index, from - 3), from, to);
        kept();
        const fault = this.sampler.fault();
        return 'missing' in found && fault !== undefined
          ? { missing: `${fault}: ${found.missing}` }
          : found;
      },
    });
  }
}

/** The one process that samples all cards. */
class Sampler {
  private readonly child: ChildProcess;
  private readonly samples = new Map<number, GpuSample[]>();
  private readonly reader = new SampleReader();
  /** Starts of windows that last: nothing since is dropped. */
  private readonly open = new Set<{ readonly from: number }>();
  private rest = '';
  private errors = '';
  private ended: string | undefined;

  constructor(
    command: readonly string[],
    private readonly sampleMs: number,
  ) {
    this.child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.on('error', (error) => (this.ended ??= systemReason(error)));
    this.child.on('exit', (code, signal) => {
      this.ended ??= `nvidia-smi ended (${signal ?? code})${this.said()}`;
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.take(text);
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors = (this.errors + text).slice(0, 1000);
    });
    // A program that forgot to close its meters ends all the same.
    this.child.unref();
    for (const stream of [this.child.stdout, this.child.stderr])
      (stream as { unref?: () => void } | null)?.unref?.();
  }

  private said(): string {
    const [line] = this.errors.trim().split('\n');
    return line === '' ? '' : `: ${line.slice(0, 200)}`;
  }

  private take(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop()!.slice(-LONGEST_LINE);
    const now = Date.now() / 1000;
    for (const line of lines) {
      const sample = this.reader.read(line, now);
      if (sample === undefined) continue;
      const own = this.samples.get(sample.index) ?? [];
      this.samples.set(sample.index, own);
      own.push(sample);
      if (own.length > MOST_SAMPLES) own.splice(0, own.length - MOST_SAMPLES);
    }
    this.forget(now);
  }

  /** Samples older than any window are of no use. */
  private forget(now: number): void {
    const from = Math.min(now - 10, ...[...this.open].map((window) => window.from - 3));
    for (const own of this.samples.values()) {
      const first = own.findIndex(({ at }) => at >= from);
      if (first > 100) own.splice(0, first);
    }
  }

  keepFrom(from: number): () => void {
    const window = { from };
    this.open.add(window);
    return () => this.open.delete(window);
  }

  of(index: number, from: number): GpuSample[] {
    return (this.samples.get(index) ?? []).filter(({ at }) => at >= from);
  }

  /** The first sample of each card, in the order of their numbers. */
  cards(): GpuSample[] {
    return [...this.samples.values()].map(([first]) => first).sort((a, b) => a.index - b.index);
  }

  /** Why there are no more samples, or fewer; undefined where nothing is known to be wrong. */
  fault(): string | undefined {
    if (this.ended !== undefined) return this.ended;
    const { garbled, firstGarbled } = this.reader;
    return garbled === 0
      ? undefined
      : `${garbled} lines of nvidia-smi made no sense (${JSON.stringify(firstGarbled)})`;
  }

  /** Waits for a second round of samples, after which each card has shown itself. */
  async begun(milliseconds: number): Promise<void> {
    const begun = performance.now();
    const two = (): boolean => [...this.samples.values()].some((own) => own.length > 1);
    while (!two() && this.ended === undefined && performance.now() - begun < milliseconds)
      await wait(10);
  }

  /** Waits for a sample after a time, at most so long. */
  async until(index: number, at: number, milliseconds: number): Promise<void> {
    const begun = performance.now();
    const most = Math.max(milliseconds, 3 * this.sampleMs);
    const there = (): boolean => (this.samples.get(index)?.at(-1)?.at ?? 0) >= at;
    while (!there() && this.ended === undefined && performance.now() - begun < most) await wait(10);
  }

  close(): Promise<void> {
    this.ended ??= 'closed';
    // A tool that hangs in the driver hears nothing gentler.
    this.child.kill('SIGKILL');
    this.child.stdout?.destroy();
    this.child.stderr?.destroy();
    return Promise.resolve();
  }
}

type Output = { readonly text: string } | { readonly fault: string; readonly missing: boolean };

/** The output of a command that ends well and soon. */
function outputOf(command: readonly string[], milliseconds: number): Promise<Output> {
  return new Promise((resolve) => {
    const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    let errors = '';
    const end = (output: Output): void => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      resolve(output);
    };
    const fault = (reason: string, missing = false): void => {
      end({ fault: reason, missing });
    };
    const timer = setTimeout(() => {
      fault(`no answer within ${milliseconds / 1000} s`);
    }, milliseconds);
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (text.length > LONGEST_LIST) fault('an answer without end');
    });
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      errors = (errors + part).slice(0, 1000);
    });
    child.on('error', (error) => {
      const missing = systemCode(error) === 'ENOENT';
      fault(missing ? 'there is no such program' : systemReason(error), missing);
    });
    child.on('close', (code, signal) => {
      if (code === 0) end({ text });
      else
        fault(`ended (${signal ?? code}): ${(errors || text).trim().split('\n')[0].slice(0, 200)}`);
    });
  });
}
