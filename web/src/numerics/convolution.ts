// The convolution itself. Each output is summed in float64 and rounded once to the problem's dtype;
// PyTorch sums in the dtype, so the two may differ by roundings, and |Δ| shows by how much.

import { axes, channelsPerGroup, convolutionOf, count, filtersPerGroup, groupOf, outputSize, tapCount, unravel, weightShape } from "../model/problem";
import type { Problem } from "../model/problem";
import { zeros } from "../model/tensors";
import type { Numbers } from "../model/tensors";

export interface Operands {
  readonly input: Numbers; // [batch, in_channels, *input_size]
  readonly weight: Numbers; // [out_channels, in_channels / groups, *kernel_size]
  readonly bias: Numbers | null;
}

/** One output: every product of its window, x · w, in memory order of the weight. */
export interface Term {
  readonly k: number; // row of the im2col matrix, column of the weight matrix
  readonly channel: number; // of the whole input
  readonly row: number; // of the input; outside it on padding
  readonly column: number;
  readonly x: number;
  readonly w: number;
  readonly inside: boolean; // false on padding
}

/** What the products of some terms add up to. */
export const sumOfProducts = (some: readonly Pick<Term, "x" | "w">[]): number => some.reduce((sum, { x, w }) => sum + x * w, 0);

export function terms(problem: Problem, operands: Operands, filter: number, row: number, column: number): Term[] {
  const [height, width] = axes(problem);
  const perGroup = channelsPerGroup(problem);
  const first = groupOf(problem, filter) * perGroup;
  const all: Term[] = [];
  for (let k = 0; k < perGroup * tapCount(problem); k++) {
    const [channel, tapRow, tapColumn] = unravel(problem, k);
    const y = row * height.stride + tapRow * height.dilation - height.padding[0];
    const x = column * width.stride + tapColumn * width.dilation - width.padding[0];
    const inside = y >= 0 && y < height.inputSize && x >= 0 && x < width.inputSize;
    const place = ((first + channel) * height.inputSize + y) * width.inputSize + x;
    all.push({
      k,
      channel: first + channel,
      row: y,
      column: x,
      x: inside ? operands.input[place] : 0,
      w: operands.weight[filter * perGroup * tapCount(problem) + k],
      inside,
    });
  }
  return all;
}

/** All outputs of one filter on one image, [out_height, out_width]. */
export function convolvePlane(problem: Problem, operands: Operands, image: number, filter: number): Numbers {
  const [height, width] = axes(problem);
  const perGroup = channelsPerGroup(problem);
  const [kernelRows, kernelColumns] = problem.kernelSize;
  const first = (image * problem.inChannels + groupOf(problem, filter) * perGroup) * height.inputSize;
  const sums = new Float64Array(height.outputSize * width.outputSize).fill(operands.bias ? operands.bias[filter] : 0);
  let tap = filter * perGroup * tapCount(problem);
  for (let channel = 0; channel < perGroup; channel++) {
    for (let tapRow = 0; tapRow < kernelRows; tapRow++) {
      for (let tapColumn = 0; tapColumn < kernelColumns; tapColumn++) {
        const weight = operands.weight[tap++];
        const offset = tapColumn * width.dilation - width.padding[0];
        const start = Math.max(0, Math.ceil(-offset / width.stride));
        const end = Math.min(width.outputSize, Math.floor((width.inputSize - 1 - offset) / width.stride) + 1);
        for (let row = 0; row < height.outputSize; row++) {
          const y = row * height.stride + tapRow * height.dilation - height.padding[0];
          if (y < 0 || y >= height.inputSize) continue;
          const line = (first + channel * height.inputSize + y) * width.inputSize + offset;
          const output = row * width.outputSize;
          for (let column = start; column < end; column++) {
            sums[output + column] += weight * operands.input[line + column * width.stride];
          }
        }
      }
    }
  }
  return problem.dtype === "float64" ? sums : Float32Array.from(sums);
}

/** The whole output [batch, out_channels, *output_size], of a plain or a transposed convolution. */
export function convolve(original: Problem, operands: Operands): Numbers {
  const problem = convolutionOf(original);
  const plain = operandsOf(original, operands);
  const positions = count(outputSize(problem));
  const output = zeros(problem.batch * problem.outChannels * positions, problem.dtype);
  for (let image = 0; image < problem.batch; image++) {
    for (let filter = 0; filter < problem.outChannels; filter++) {
      output.set(convolvePlane(problem, plain, image, filter), (image * problem.outChannels + filter) * positions);
    }
  }
  return output;
}

/** The operands of `convolutionOf`: of a transposed convolution the input with inserted zeros and the flipped filters. */
export function operandsOf(problem: Problem, operands: Operands): Operands {
  if (!problem.transposed) return operands;
  return { input: insertZeros(problem, operands.input), weight: flip(problem, operands.weight), bias: operands.bias };
}

function insertZeros(problem: Problem, input: Numbers): Numbers {
  const [rows, columns] = problem.inputSize;
  const [tall, wide] = convolutionOf(problem).inputSize;
  const zeroInserted = zeros(problem.batch * problem.inChannels * tall * wide, problem.dtype);
  for (let place = 0; place < input.length; place++) {
    const column = place % columns;
    const row = Math.floor(place / columns) % rows;
    const plane = Math.floor(place / (rows * columns));
    zeroInserted[(plane * tall + row * problem.stride[0]) * wide + column * problem.stride[1]] = input[place];
  }
  return zeroInserted;
}

/** [in_channels, out_channels / groups, …] becomes [out_channels, in_channels / groups, …], reversed. */
function flip(problem: Problem, weight: Numbers): Numbers {
  const [, filters] = weightShape(problem);
  const channels = channelsPerGroup(problem);
  const taps = tapCount(problem);
  const flipped = zeros(weight.length, problem.dtype);
  for (let place = 0; place < weight.length; place++) {
    const tap = place % taps;
    const filter = Math.floor(place / taps) % filters;
    const channel = Math.floor(place / (taps * filters));
    const group = Math.floor(channel / channels);
    flipped[((group * filtersPerGroup(problem) + filter) * channels + (channel % channels)) * taps + (taps - 1 - tap)] =
      weight[place];
  }
  return flipped;
}

/** The im2col matrix of one image, [groups · k, out_height · out_width]: zero where padding is read. */
export function unfold(problem: Problem, input: Numbers, image = 0): Numbers {
  const [height, width] = axes(problem);
  const positions = height.outputSize * width.outputSize;
  const rows = problem.inChannels * tapCount(problem);
  const columns = zeros(rows * positions, problem.dtype);
  for (let k = 0; k < rows; k++) {
    const [channel, tapRow, tapColumn] = unravel(problem, k);
    for (let n = 0; n < positions; n++) {
      const y = Math.floor(n / width.outputSize) * height.stride + tapRow * height.dilation - height.padding[0];
      const x = (n % width.outputSize) * width.stride + tapColumn * width.dilation - width.padding[0];
      if (y < 0 || y >= height.inputSize || x < 0 || x >= width.inputSize) continue;
      columns[k * positions + n] =
        input[((image * problem.inChannels + channel) * height.inputSize + y) * width.inputSize + x];
    }
  }
  return columns;
}
