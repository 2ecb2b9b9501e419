import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';

/** A checkpoint as some reader has it: float32 bits of each tensor, hashed, by name. */
export type Reading = Readonly<Record<string, string>>;

/** Shape and bits of a tensor. NaNs are one: readers differ in the payload they leave. */
export function digestOf(shape: readonly number[], values: Float32Array): string {
  const bits = new Uint32Array(values.length);
  bits.set(new Uint32Array(values.buffer, values.byteOffset, values.length));
  for (let i = 0; i < bits.length; i++) if (Number.isNaN(values[i])) bits[i] = 0x7fc00000;
  return createHash('sha256')
    .update(`[${shape.join(',')}]`)
    .update(bits)
    .digest('hex')
    .slice(0, 24);
}

/**
 * A second reader of safetensors, for tests alone: straight down the format's description, for files of
 * float32 and bfloat16 only.
 *
 * @returns undefined where it does not take the file.
 */
export function readSafetensorsPlainly(file: Uint8Array): Reading | undefined {
  try {
    const bytes = Buffer.from(file);
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, never>;
    const reading: Record<string, string> = {};
    for (const [name, entry] of Object.entries(header)) {
      if (name === '__metadata__') continue;
      const {
        dtype,
        shape,
        data_offsets: [from, to],
      } = entry as {
        dtype: string;
        shape: number[];
        data_offsets: [number, number];
      };
      const data = bytes.subarray(8 + length + from, 8 + length + to);
      const width = dtype === 'F32' ? 4 : 2;
      if (dtype !== 'F32' && dtype !== 'BF16') return undefined;
      const values = Float32Array.from({ length: data.length / width }, (_, index) => {
        if (width === 4) return data.readFloatLE(4 * index);
        const wide = Buffer.alloc(4);
        data.copy(wide, 2, 2 * index, 2 * index + 2);
        return wide.readFloatLE(0);
      });
      reading[name] = digestOf(shape, values);
    }
    return reading;
  } catch {
    return undefined;
  }
}

const TORCH = `
import sys, json, hashlib, torch, warnings
warnings.filterwarnings('ignore')
def find(d):
    for c in [d.get('state_dict'), d.get('model'), d]:
        if isinstance(c, dict) and any(isinstance(v, torch.Tensor) for v in c.values()): return c
print('ready', flush=True)
for line in sys.stdin:
    try:
        d = find(torch.load(line.strip(), map_location='cpu', weights_only=True))
        ts = {k: v for k, v in d.items() if isinstance(v, torch.Tensor)}
        if all(isinstance(k, str) and k.startswith('module.') for k in ts): ts = {k[7:]: v for k, v in ts.items()}
        out = {}
        for k, v in ts.items():
            f = v.detach().to(torch.float32).contiguous().clone()
            f[torch.isnan(f)] = float('nan')
            b = f.view(-1).view(torch.int32)
            b[torch.isnan(f.view(-1))] = 0x7fc00000
            h = hashlib.sha256(('[' + ','.join(map(str, f.shape)) + ']').encode())
            h.update(b.numpy().tobytes())
            out[k] = h.hexdigest()[:24]
        print(json.dumps(out), flush=True)
    except BaseException as e:
        print('null', flush=True)
`;

/** PyTorch as the second reader of its own formats, in a process that lasts; undefined without a Python that has it. */
export class TorchReader {
  private lines: AsyncIterator<string> | undefined;
  private child: ChildProcessWithoutNullStreams | undefined;
  private reader: Interface | undefined;

  static find(): TorchReader | undefined {
    const wanted = [process.env.QSLM_PYTHON];
    for (const python of wanted)
      if (python !== undefined && existsSync(python))
        try {
          execFileSync(python, ['-c', 'import torch']);
          return new TorchReader(python);
        } catch {
          // Another Python, without torch.
        }
    return undefined;
  }

  private constructor(private readonly python: string) {}

  /** Waits until the process answers: loading PyTorch takes seconds, which no case should be charged with. */
  async start(): Promise<void> {
    if (this.lines === undefined) {
      this.child = spawn(this.python, ['-c', TORCH]);
      this.child.stdin.on('error', () => undefined);
      this.reader = createInterface({ input: this.child.stdout });
      this.lines = this.reader[Symbol.asyncIterator]();
      await this.lines.next();
    }
  }

  async read(path: string): Promise<Reading | undefined> {
    await this.start();
    this.child!.stdin.write(`${path}\n`);
    const next = await this.lines!.next();
    const value: unknown = next.value;
    const { done } = next;
    if (done === true) {
      // A mutant that ended torch itself.
      this.close();
      return undefined;
    }
    return (JSON.parse(String(value)) as Reading | null) ?? undefined;
  }

  close(): void {
    this.child?.kill();
    this.reader?.close();
    this.lines = undefined;
  }
}
