import { layPanels, PANEL_COLUMNS, panelBytes } from '../../../quant/packed/panels.js';
import { nllOfTerms, sizeOf, type HeapMemory } from '../heap.js';
import * as plain from '../plain.js';
import type { SpikingModule } from '../wasm-module.js';
import * as names from './names.js';

/** Attributes of packed weights, as packed.ts hands them on. */
interface Order {
  readonly bits: number;
  readonly groupLength: number;
  readonly shared: boolean;
  readonly inner: number;
  readonly columns: number;
}

interface Stored extends Partial<Order> {
  readonly packed: Uint8Array;
}

interface Table extends Pick<Order, 'bits' | 'groupLength' | 'shared'> {
  readonly channels: number;
  readonly spikes: boolean;
}

/** A table's last value is read as a part of four bytes. */
const BEYOND = 4;

/** Bytes from the constants of 16 columns to the next. */
const stepOf = (shared: boolean): number => (shared ? 0 : 4 * PANEL_COLUMNS);

/** The kernels of packed weights on the heap; no other backend has them. */
export function PACKED_WASM_KERNELS(spiking: SpikingModule): readonly plain.Kernel<HeapMemory>[] {
  return [
    plain.kernel(names.STORE_PACKED, (_inputs, attrs, { scratch, bytes }) => {
      const { packed, bits, columns, inner } = attrs as unknown as Stored;
      if (bits === undefined || columns === undefined || inner === undefined) {
        const out = scratch(packed.length + BEYOND);
        bytes(out).set(packed);
        return out;
      }
      const size = panelBytes(columns, inner, bits);
      const out = scratch(size);
      layPanels(packed, bits, columns, inner, bytes(out).fill(0));
      return out;
    }),

    plain.kernel(names.PACKED_ROWS, ({ packed, scales, zeros, indices }, attrs, memory) => {
      const { bits, groupLength, shared, spikes, channels } = attrs as unknown as Table;
      const count = indices.shape[0];
      const out = memory.output([count, channels]);
      spiking.packedRows(
        ...memory.at(packed, scales, zeros),
        ...[bits, groupLength, Number(shared)],
        ...memory.at(indices),
        ...[count, channels, Number(spikes)],
        ...memory.at(out),
      );
      return out;
    }),

    plain.kernel(names.PACKED_MAT_MUL, ({ x, packed, scales, zeros }, attrs, memory) => {
      const { bits, groupLength, shared, inner, columns } = attrs as unknown as Order;
      const { at, output, scratch, release } = memory;
      const rows = x.shape[0];
      const out = output([rows, columns]);
      const room = scratch(spiking.packedMatMulScratch(rows, inner, groupLength));
      const weights = at(x, packed, scales, zeros);
      spiking.packedMatMul(
        ...[...weights, bits, groupLength, stepOf(shared), rows, inner, columns],
        ...at(out, room),
      );
      release(room);
      return out;
    }),

    plain.kernel(
      names.PACKED_SQUARED_RELU_MATMUL,
      ({ x, packed, scales, zeros }, attrs, memory) => {
        const { bits, groupLength, shared, inner, columns } = attrs as unknown as Order;
        const { at, output, scratch, release } = memory;
        const shape = x.shape.slice(0, -1);
        const rows = sizeOf(shape);
        const out = output([...shape, columns]);
        const room = scratch(spiking.packedSquaredReluMatMulScratch(rows, inner, groupLength));
        const weights = at(x, packed, scales, zeros);
        spiking.packedSquaredReluMatMul(
          ...[...weights, bits, groupLength, stepOf(shared), rows, inner, columns],
          ...at(out, room),
        );
        release(room);
        return out;
      },
    ),

    plain.kernel(names.PACKED_HEAD_NLL, ({ x, packed, scales, zeros, targets }, attrs, memory) => {
      const { bits, groupLength, shared, inner, columns } = attrs as unknown as Order;
      const { at, output, scratch, release } = memory;
      const rows = x.shape[0];
      const out = output([rows]);
      const terms = output([rows, 4]);
      const room = scratch(spiking.packedMatMulScratch(rows, inner, groupLength));
      spiking.packedHeadTerms(
        ...[...at(x, packed, scales, zeros), bits, groupLength, stepOf(shared)],
        ...[...at(targets), rows, inner, columns],
        ...at(terms, room),
      );
      nllOfTerms(memory, terms, out);
      release(terms);
      release(room);
      return out;
    }),
  ];
}
