// Kernels that have a name. Each is defined for 3 × 3; a larger odd one is the same kernel on a picture that a binomial blur
// has smoothed, which for Sobel gives the usual 5 × 5 weights (R. Szeliski, Computer Vision, 2nd edition, 2022, section 3.2).

import { channelsPerGroup, tapCount } from "./problem";
import type { Pair, Problem } from "./problem";

export interface NamedKernel {
  readonly name: string; // in the address
  readonly label: string;
  /** Why the kernel does not exist for a size; null where it does. */
  refusal(size: Pair): string | null;
  /** Its weights, row by row, as a cross-correlation reads them. */
  weights(size: Pair): number[];
}

export const NAMED_KERNELS: readonly NamedKernel[] = [
  { name: "identity", label: "identity", refusal: even, weights: identity },
  { name: "blur", label: "blur (binomial)", refusal: (size) => even(size) ?? single(size), weights: (size) => product(size, smooth, smooth) },
  { name: "sharpen", label: "sharpen", refusal: (size) => even(size) ?? single(size), weights: sharpen },
  { name: "sobel-horizontal", label: "Sobel, horizontal", refusal: (size) => even(size) ?? few("columns", size[1]), weights: (size) => product(size, sobelSmooth, difference) },
  { name: "sobel-vertical", label: "Sobel, vertical", refusal: (size) => even(size) ?? few("rows", size[0]), weights: (size) => product(size, difference, sobelSmooth) },
  { name: "laplacian", label: "Laplacian", refusal: (size) => even(size) ?? single(size), weights: laplacian },
  { name: "emboss", label: "emboss", refusal: ([tall, wide]) => (tall === 3 && wide === 3 ? null : `is defined only for 3 × 3, not for ${tall} × ${wide}`), weights: () => [-2, -1, 0, -1, 1, 1, 0, 1, 2] },
];

/** The kernel of a name; undefined where there is none. */
export const namedKernel = (name: string): NamedKernel | undefined => NAMED_KERNELS.find((kernel) => kernel.name === name);

/**
 * A weight of the plain convolution, [out_channels, in_channels / groups, *kernel_size]: every filter applies the kernel to
 * the mean of the channels that it reads. Null where the kernel does not exist for the size.
 */
export function namedWeight(name: string, problem: Problem): number[] | null {
  const kernel = namedKernel(name);
  if (!kernel || kernel.refusal(problem.kernelSize) !== null) return null;
  const channels = channelsPerGroup(problem);
  const taps = kernel.weights(problem.kernelSize).map((weight) => weight / channels);
  return Array.from({ length: problem.outChannels * channels * tapCount(problem) }, (_, place) => taps[place % taps.length]);
}

function even([tall, wide]: Pair): string | null {
  return tall % 2 && wide % 2 ? null : `needs an odd kernel_size, which has a centre, not ${tall} × ${wide}`;
}

const single = ([tall, wide]: Pair): string | null => (tall * wide > 1 ? null : "needs neighbours: a kernel_size of at least 3");
const few = (lines: string, size: number): string | null => (size > 1 ? null : `needs at least 3 ${lines}, not ${size}`);

function identity([tall, wide]: Pair): number[] {
  return Array.from({ length: tall * wide }, (_, place) => (place === (tall * wide - 1) / 2 ? 1 : 0));
}

/** The second differences along both axes, added. */
function laplacian(size: Pair): number[] {
  const down = size[0] > 1 ? product(size, secondDifference, narrow) : [];
  const across = size[1] > 1 ? product(size, narrow, secondDifference) : [];
  return identity(size).map((_, place) => (down[place] ?? 0) + (across[place] ?? 0));
}

/** The picture less its Laplacian. */
function sharpen(size: Pair): number[] {
  const edges = laplacian(size);
  return identity(size).map((weight, place) => weight - edges[place]);
}

type Line = (size: number) => number[];

function product([tall, wide]: Pair, down: Line, across: Line): number[] {
  const row = across(wide);
  return down(tall).flatMap((one) => row.map((other) => one * other));
}

/** A row of Pascal's triangle over its sum: 1 2 1 over 4. */
function smooth(size: number): number[] {
  let row = [1];
  while (row.length < size) row = convolved(row, [0.5, 0.5]);
  return row;
}

/** The smoothing of two taps fewer, with a zero at both ends; of one tap itself. */
const narrow: Line = (size) => (size > 1 ? [0, ...smooth(size - 2), 0] : [1]);
const sobelSmooth: Line = (size) => (size > 1 ? convolved([1, 2, 1], smooth(size - 2)) : [1]);
const difference: Line = (size) => convolved([-1, 0, 1], smooth(size - 2));
const secondDifference: Line = (size) => convolved([1, -2, 1], smooth(size - 2));

/** Every product of an entry of one row and an entry of the other, added where their places add to the same. */
function convolved(one: readonly number[], other: readonly number[]): number[] {
  const sums = new Array<number>(one.length + other.length - 1).fill(0);
  one.forEach((a, i) => other.forEach((b, j) => (sums[i + j] += a * b)));
  return sums;
}
