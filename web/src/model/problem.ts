// A convolution's shapes and parameters, and all that follows from them without the numbers.
// Mirrors Python's problem/conv_problem.py and problem/axis.py; the arguments have PyTorch's names.

import { DTYPES } from "./constants";

export type Pair = readonly [number, number];
export type Sides = readonly [before: number, after: number];

export interface Problem {
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly inputSize: Pair;
  readonly kernelSize: Pair;
  readonly stride: Pair;
  readonly padding: readonly [Sides, Sides];
  readonly dilation: Pair;
  readonly groups: number;
  readonly bias: boolean;
  readonly dtype: "float32" | "float64";
  readonly same: boolean; // the padding was given as "same"
  readonly transposed: boolean;
  readonly outputPadding: Pair; // of a transposed convolution
}

/** One spatial axis: input index = output · stride + tap · dilation − padding. */
export interface Axis {
  readonly name: string;
  readonly inputSize: number;
  readonly kernelSize: number;
  readonly stride: number;
  readonly padding: Sides;
  readonly dilation: number;
  readonly paddedSize: number;
  readonly extent: number; // what the kernel spans, holes of dilation included
  readonly outputSize: number;
  readonly leftover: number; // padded positions after the last window: what the floor leaves over
}

export const AXIS_NAMES = ["height", "width"] as const;

export function axes(problem: Problem): readonly [Axis, Axis] {
  return [axis(problem, 0), axis(problem, 1)];
}

function axis(problem: Problem, place: 0 | 1): Axis {
  const inputSize = problem.inputSize[place];
  const kernelSize = problem.kernelSize[place];
  const stride = problem.stride[place];
  const padding = problem.padding[place];
  const dilation = problem.dilation[place];
  const paddedSize = inputSize + padding[0] + padding[1];
  const extent = dilation * (kernelSize - 1) + 1;
  const outputSize = Math.floor((paddedSize - extent) / stride) + 1;
  const leftover = paddedSize - extent - (outputSize - 1) * stride;
  const name = AXIS_NAMES[place];
  return { name, inputSize, kernelSize, stride, padding, dilation, paddedSize, extent, outputSize, leftover };
}

export function outputSize(problem: Problem): Pair {
  const plain = convolutionOf(problem);
  const [height, width] = axes(plain);
  return [height.outputSize, width.outputSize];
}

/** How many places along an axis no window reads, and which: true where one is read. */
export function positionsRead(axis: Axis): boolean[] {
  const read = new Array<boolean>(axis.inputSize).fill(false);
  for (let output = 0; output < axis.outputSize; output++) {
    for (let tap = 0; tap < axis.kernelSize; tap++) {
      const place = output * axis.stride + tap * axis.dilation - axis.padding[0];
      if (place >= 0 && place < axis.inputSize) read[place] = true;
    }
  }
  return read;
}

/** The pairs (output, tap) of one axis that read an input position. */
export function readersOf(axis: Axis, position: number): { output: number; tap: number }[] {
  const readers = [];
  for (let tap = 0; tap < axis.kernelSize; tap++) {
    const start = position + axis.padding[0] - tap * axis.dilation;
    const output = start / axis.stride;
    if (Number.isInteger(output) && output >= 0 && output < axis.outputSize) readers.push({ output, tap });
  }
  return readers;
}

export const tapCount = (problem: Problem): number => problem.kernelSize[0] * problem.kernelSize[1];
export const channelsPerGroup = (problem: Problem): number => problem.inChannels / problem.groups;
export const filtersPerGroup = (problem: Problem): number => problem.outChannels / problem.groups;
export const groupOf = (problem: Problem, filter: number): number => Math.floor(filter / filtersPerGroup(problem));

/** The matrix product of each group, (m × k) · (k × n), in BLAS's letters. */
export function gemm(problem: Problem): { groups: number; m: number; n: number; k: number } {
  const [height, width] = outputSize(problem);
  const k = channelsPerGroup(problem) * tapCount(problem);
  return { groups: problem.groups, m: filtersPerGroup(problem), n: problem.batch * height * width, k };
}

/** Row k of the im2col matrix is (channel in its group, row of the kernel, column of the kernel). */
export function unravel(problem: Problem, k: number): [channel: number, row: number, column: number] {
  const [, width] = problem.kernelSize;
  const taps = tapCount(problem);
  return [Math.floor(k / taps), Math.floor((k % taps) / width), k % width];
}

/** The weight's shape in PyTorch's layer; a transposed layer's has its channel axes exchanged. */
export function weightShape(problem: Problem): [number, number, number, number] {
  const [outer, inner] = problem.transposed
    ? [problem.inChannels, problem.outChannels / problem.groups]
    : [problem.outChannels, problem.inChannels / problem.groups];
  return [outer, inner, ...problem.kernelSize];
}

export function inputShape(problem: Problem): [number, number, number, number] {
  return [problem.batch, problem.inChannels, ...problem.inputSize];
}

export function outputShape(problem: Problem): [number, number, number, number] {
  return [problem.batch, problem.outChannels, ...outputSize(problem)];
}

export const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Multiply-adds; products with padding counted as PyTorch counts them, bias not. */
export function macs(problem: Problem): number {
  const { groups, m, n, k } = gemm(problem);
  return groups * m * n * k;
}

/** Bytes of each array; columns is the im2col matrix of all groups. */
export function bytes(problem: Problem): { input: number; weight: number; output: number; columns: number } {
  const size = DTYPES[problem.dtype].bytes;
  const { groups, n, k } = gemm(problem);
  return {
    input: size * count(inputShape(problem)),
    weight: size * count(weightShape(problem)),
    output: size * count(outputShape(problem)),
    columns: size * groups * n * k,
  };
}

/**
 * The plain convolution that equals a transposed one: stride − 1 zeros between neighbouring pixels, and flipped
 * filters. Its padding may be negative; then the input is cropped.
 */
export function convolutionOf(problem: Problem): Problem {
  if (!problem.transposed) return problem;
  const along = (place: 0 | 1): { size: number; sides: Sides } => {
    const reach = problem.dilation[place] * (problem.kernelSize[place] - 1);
    const [before, after] = problem.padding[place];
    return {
      size: (problem.inputSize[place] - 1) * problem.stride[place] + 1,
      sides: [reach - before, reach - after + problem.outputPadding[place]],
    };
  };
  const [height, width] = [along(0), along(1)];
  return {
    ...problem,
    inputSize: [height.size, width.size],
    padding: [height.sides, width.sides],
    stride: [1, 1],
    outputPadding: [0, 0],
    transposed: false,
    same: false,
  };
}

/** (before, after) per axis that keeps the size at stride 1; an odd total puts one more after. */
export function samePadding(problem: Problem): readonly [Sides, Sides] {
  const along = (place: 0 | 1): Sides => {
    const total = problem.dilation[place] * (problem.kernelSize[place] - 1);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  };
  return [along(0), along(1)];
}

/** Why PyTorch would refuse the problem, in a sentence; null where it would not. */
export function refusal(problem: Problem): string | null {
  const least: [string, number, number][] = [
    ["in_channels", problem.inChannels, 1],
    ["out_channels", problem.outChannels, 1],
    ["groups", problem.groups, 1],
    ["batch", problem.batch, 1],
  ];
  for (const place of [0, 1] as const) {
    least.push(
      ["input_size", problem.inputSize[place], 1],
      ["kernel_size", problem.kernelSize[place], 1],
      ["stride", problem.stride[place], 1],
      ["dilation", problem.dilation[place], 1],
      ["padding", problem.padding[place][0], 0],
      ["padding", problem.padding[place][1], 0],
      ["output_padding", problem.outputPadding[place], 0],
    );
  }
  for (const [name, value, minimum] of least) {
    if (!Number.isInteger(value) || value < minimum) {
      return `${name} must be a whole number of at least ${minimum}, got ${value}`;
    }
  }
  const channels: [string, number][] = [
    ["in_channels", problem.inChannels],
    ["out_channels", problem.outChannels],
  ];
  for (const [name, size] of channels) {
    if (size % problem.groups) {
      return `groups must divide ${name}, but ${size} is not a multiple of ${problem.groups}`;
    }
  }
  return problem.transposed ? transposedRefusal(problem) : plainRefusal(problem);
}

function plainRefusal(problem: Problem): string | null {
  if (problem.same && (problem.stride[0] !== 1 || problem.stride[1] !== 1)) {
    return `padding='same' keeps the size only with stride 1, got stride ${problem.stride.join(" × ")}`;
  }
  for (const { name, extent, paddedSize, inputSize, kernelSize, padding, dilation } of axes(problem)) {
    if (extent > paddedSize) {
      return (
        `the kernel spans ${extent} positions of the ${name} (dilation ${dilation} · (kernel ${kernelSize} − 1) + 1), ` +
        `but the padded input has ${paddedSize} (size ${inputSize} + padding ${padding[0]} + ${padding[1]})`
      );
    }
  }
  return null;
}

function transposedRefusal(problem: Problem): string | null {
  if (problem.same) return "a transposed convolution takes its padding as numbers, not as 'same'";
  const [height, width] = axes(convolutionOf(problem));
  for (const [place, { name, outputSize: size }] of [height, width].entries()) {
    const at = place as 0 | 1;
    const [extra, stride, dilation] = [problem.outputPadding[at], problem.stride[at], problem.dilation[at]];
    if (extra >= Math.max(stride, dilation)) {
      return (
        "output_padding must be smaller than the stride or the dilation, " +
        `got ${extra} with stride ${stride} and dilation ${dilation}`
      );
    }
    if (size < 1) {
      const [before, after] = problem.padding[at];
      return `the padding ${before} + ${after} cuts off more of the ${name} than the ${size + before + after} there are`;
    }
  }
  return null;
}
