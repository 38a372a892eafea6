// The error bound of Winograd's convolution: its steps on absolute values, times γ_N, as in Python's
// algorithms/parts/winograd_bound.py; the proof is in docs/algorithms/winograd.md.

import { axes, channelsPerGroup, count } from "../../model/problem";
import type { Problem } from "../../model/problem";
import type { Operands } from "../convolution";
import { unitRoundoff } from "../verification";
import type { Bound } from "../verification";
import type { Matrix, Transforms } from "./cook_toom";
import { extractTile, multiplyAdd, tileCounts, transformBlock, transformsOf } from "./winograd";

/** Of a problem with one filter. */
export function winogradBound(problem: Problem, { input, weight, bias }: Operands, outputs: number): Bound {
  const transforms = transformsOf(problem, outputs);
  const [height, width] = transforms.map(absolute);
  const channels = channelsPerGroup(problem);
  const taps = count(problem.kernelSize);
  const wide: Problem = { ...problem, dtype: "float64" };
  const [x, w] = [input.map(Math.abs), weight.map(Math.abs)];
  const filters = Array.from({ length: channels }, (_, channel) => transformBlock(height.filter, w.subarray(channel * taps, (channel + 1) * taps), width.filter, "float64"));
  const [down, across] = axes(problem);
  const reference = new Float64Array(down.outputSize * across.outputSize);
  const [rows, columns] = tileCounts(problem, transforms);
  const [tall, broad] = [height.output.length, width.output.length];
  // The scale is itself computed in float64, so it may be that much too small.
  const own = 1 - gamma(roundings(wide, transforms), unitRoundoff(wide));
  for (let tile = 0; tile < rows * columns; tile++) {
    const at = [Math.floor(tile / columns), tile % columns] as const;
    const read = Array.from({ length: channels }, (_, channel) => transformBlock(height.input, extractTile(wide, transforms, x, channel, at), width.input, "float64"));
    transformBlock(height.output, multiplyAdd(read, filters, "float64"), width.output, "float64").forEach((size, place) => {
      const [row, column] = [at[0] * tall + Math.floor(place / broad), at[1] * broad + (place % broad)];
      if (row < down.outputSize && column < across.outputSize) reference[row * across.outputSize + column] = (size + Math.abs(bias?.[0] ?? 0)) / own;
    });
  }
  const n = roundings(problem, transforms);
  return { maxFactor: gamma(n, unitRoundoff(problem)), formula: `γ${subscript(n)}`, referenceFormula: "|Aᵀ|[(|G||w|) ⊙ (|Bᵀ||x|)] + |b|", reference };
}

/** How often a term of an output is rounded at most, from operand to output. */
function roundings(problem: Problem, transforms: readonly Transforms[]): number {
  const within = transforms.reduce((sum, each) => sum + roundedIn(each.input) + roundedIn(each.output), 0);
  const filter = problem.dtype === "float32" ? 2 : problem.kernelSize.reduce((sum, r) => sum + r + 1, 0);
  return within + filter + channelsPerGroup(problem) + (problem.bias ? 1 : 0);
}

/** The roundings of one term: one multiplication, unless all factors are powers of two, and the additions. */
const roundedIn = (matrix: Matrix): number => Math.max(...matrix.map((row) => row.filter((entry) => entry !== 0).length - (row.every(isPowerOfTwo) ? 1 : 0)));

const isPowerOfTwo = (entry: number): boolean => entry === 0 || Number.isInteger(Math.log2(Math.abs(entry)));

/** What n roundings in a row can do. */
const gamma = (n: number, u: number): number => (n * u) / (1 - n * u);

const absolute = ({ output, filter, input }: Transforms): Transforms => {
  const sizes = (matrix: Matrix): Matrix => matrix.map((row) => row.map(Math.abs));
  return { output: sizes(output), filter: sizes(filter), input: sizes(input) };
};

const subscript = (number: number): string => [...String(number)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[Number(digit)]).join("");
