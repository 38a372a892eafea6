// The receptive field through a strip of layers: which part of each layer's input an output depends on.
// One layer back, outputs from o to p read positions o · stride − padding to p · stride − padding + extent − 1; so
// r positions span (r − 1) · stride + extent. (A. Araujo, W. Norris, J. Sim, Distill 2019.)

import { axes, convolutionOf } from "../model/problem";
import type { Pair, Problem } from "../model/problem";

/** Positions from first to last, both included, of one axis. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

export type Field = readonly [rows: Span, columns: Span];

export const sizeOf = ({ first, last }: Span): number => last - first + 1;

/** The receptive field of one output of the last layer, in the first layer's input; outside it on padding. */
export function receptiveField(layers: readonly Problem[], [row, column]: Pair): Field {
  const along = (place: number, axis: 0 | 1): Span => {
    let [first, last] = [place, place];
    for (const problem of [...layers].reverse()) {
      const { stride, padding, extent } = axes(convolutionOf(problem))[axis];
      const apart = distanceApart(problem, axis);
      first = Math.ceil((first * stride - padding[0]) / apart);
      last = Math.floor((last * stride - padding[0] + extent - 1) / apart);
    }
    return { first, last };
  };
  return [along(row, 0), along(column, 1)];
}

/**
 * What one output of the last layer depends on: from the first to the last number read of each layer's input, the
 * first layer's first, then of the output itself. Padding is no number; null where nothing else is read.
 */
export function fieldsInside(layers: readonly Problem[], [row, column]: Pair): (Field | null)[] {
  let read: [Set<number>, Set<number>] = [new Set([row]), new Set([column])];
  const all = [fieldOf(read)];
  for (const problem of [...layers].reverse()) {
    read = [readBy(problem, 0, read[0]), readBy(problem, 1, read[1])];
    all.unshift(fieldOf(read));
  }
  return all;
}

/** The positions that some outputs of a layer read along an axis. */
function readBy(problem: Problem, axis: 0 | 1, outputs: Set<number>): Set<number> {
  const { stride, padding, dilation, kernelSize, inputSize } = axes(convolutionOf(problem))[axis];
  const apart = distanceApart(problem, axis);
  const read = new Set<number>();
  for (const output of outputs) {
    for (let tap = 0; tap < kernelSize; tap++) {
      const place = output * stride + tap * dilation - padding[0];
      if (place >= 0 && place < inputSize && place % apart === 0) read.add(place / apart);
    }
  }
  return read;
}

/** Of pixels, over the zeros that a transposed convolution inserts. */
const distanceApart = (problem: Problem, axis: 0 | 1): number => (problem.transposed ? problem.stride[axis] : 1);

function fieldOf(read: readonly [Set<number>, Set<number>]): Field | null {
  if (!read[0].size || !read[1].size) return null;
  const [rows, columns] = read.map((each) => ({ first: Math.min(...each), last: Math.max(...each) }));
  return [rows, columns];
}
