// Compares outputs with the definition in float64 and with their error bounds, as Python's
// verification/verify.py does. One filter of the first image at a time.

import { DTYPES } from "../model/constants";
import { axes, channelsPerGroup, count, groupOf, inputShape, tapCount } from "../model/problem";
import type { Problem } from "../model/problem";
import { zeros } from "../model/tensors";
import type { Numbers } from "../model/tensors";
import { convolvePlane } from "./convolution";
import type { Operands } from "./convolution";

export interface CheckedOutputs {
  readonly values: Numbers; // the candidate's
  readonly definition: Float64Array;
  readonly allowed: Float64Array; // how far apart these two may be
}

/** An error bound: worst · scale for every output of a problem. */
export interface Bound {
  readonly maxFactor: number;
  readonly formula: string; // of worst, with its numbers
  readonly referenceFormula: string; // what scale is
  readonly reference: Float64Array;
}

export const unitRoundoff = (problem: Problem): number => DTYPES[problem.dtype].unitRoundoff;

/** The problem and operands of one filter's outputs on one image. */
export function filterProblem(problem: Problem, operands: Operands, filter: number): { problem: Problem; operands: Operands } {
  const channels = channelsPerGroup(problem);
  const [, , height, width] = inputShape(problem);
  const first = groupOf(problem, filter) * channels * height * width;
  const taps = channels * tapCount(problem);
  return {
    problem: { ...problem, batch: 1, inChannels: channels, outChannels: 1, groups: 1 },
    operands: {
      input: operands.input.subarray(first, first + channels * height * width) as Numbers,
      weight: operands.weight.subarray(filter * taps, (filter + 1) * taps) as Numbers,
      bias: operands.bias ? (operands.bias.subarray(filter, filter + 1) as Numbers) : null,
    },
  };
}

/** Each product and each sum rounded to the problem's type, in memory order, the bias last. */
export function roundedSums(problem: Problem, { input, weight, bias }: Operands): Numbers {
  const round = problem.dtype === "float32" ? Math.fround : (value: number): number => value;
  const [height, width] = axes(problem);
  const [kernelRows, kernelColumns] = problem.kernelSize;
  const sums = zeros(height.outputSize * width.outputSize, problem.dtype);
  for (let place = 0; place < sums.length; place++) {
    const top = Math.floor(place / width.outputSize) * height.stride - height.padding[0];
    const left = (place % width.outputSize) * width.stride - width.padding[0];
    let sum = 0;
    let tap = 0;
    for (let channel = 0; channel < problem.inChannels; channel++) {
      for (let tapRow = 0; tapRow < kernelRows; tapRow++) {
        const row = top + tapRow * height.dilation;
        for (let tapColumn = 0; tapColumn < kernelColumns; tapColumn++, tap++) {
          const column = left + tapColumn * width.dilation;
          if (row < 0 || row >= height.inputSize || column < 0 || column >= width.inputSize) continue;
          const x = input[(channel * height.inputSize + row) * width.inputSize + column];
          sum = round(sum + round(x * weight[tap]));
        }
      }
    }
    sums[place] = bias ? sum + bias[0] : sum;
  }
  return sums;
}

/** Plain products summed in any order: n · u · (Σ|x||w| + |b|), the bias one of the n terms. */
export function sumsBound(problem: Problem, magnitude: Float64Array): Bound {
  const n = terms(problem);
  const u = unitRoundoff(problem);
  return { maxFactor: n * u, formula: `${n} · ${u === DTYPES.float32.unitRoundoff ? "2⁻²⁴" : "2⁻⁵³"}`, referenceFormula: "Σ|x||w| + |b|", reference: magnitude };
}

/** The definition in float64, and Σ|x||w| + |b|, of a problem with one filter. */
export function defineOutputs(problem: Problem, operands: Operands): { definition: Float64Array; magnitude: Float64Array } {
  const wide: Problem = { ...problem, dtype: "float64" };
  const sizes = { input: operands.input.map(Math.abs), weight: operands.weight.map(Math.abs), bias: operands.bias?.map(Math.abs) ?? null };
  return {
    definition: convolvePlane(wide, operands, 0, 0) as Float64Array,
    magnitude: convolvePlane(wide, sizes, 0, 0) as Float64Array,
  };
}

/** Every output's bound: the candidate's, the definition's own, and what underflow can lose. */
export function allowedErrors(problem: Problem, { maxFactor, reference }: Bound, magnitude: Float64Array): Float64Array {
  const n = terms(problem);
  const { unitRoundoff: u, smallestPositive } = DTYPES[problem.dtype];
  const own = n * DTYPES.float64.unitRoundoff;
  const underflow = n * smallestPositive * Math.max(1, (1 + n * u) / 2);
  return magnitude.map((size, place) => maxFactor * reference[place] + own * size + underflow);
}

export const errorAt = ({ values, definition }: CheckedOutputs, place: number): number => Math.abs(values[place] - definition[place]);

/** How much of its bound an output uses; over 1 is a failure. */
export function shareAt(checked: CheckedOutputs, place: number): number {
  const error = errorAt(checked, place);
  return error === 0 ? 0 : error / checked.allowed[place];
}

/** Products of one output, and a bias. */
const terms = (problem: Problem): number => count([problem.inChannels, ...problem.kernelSize]) + 1;
