// The numbers that Python and the page share. Python writes them: python -m glassconv.explore.constants.

import constants from "../constants.json";

/** A floating point format. */
export interface FloatFormat {
  readonly bytes: number; // of an element
  readonly unitRoundoff: number;
  readonly smallestPositive: number; // the most that underflow can lose
}

/** A processor's vectors, registers and caches; sizes in bytes. */
export interface Target {
  readonly name: string; // Python's
  readonly label: string;
  readonly vectorBytes: number;
  readonly registers: number; // of vectors
  readonly l1: number;
  readonly l2: number;
  readonly tile: { readonly rows: number; readonly vectors: number; readonly heights: readonly number[] }; // heights: of all tiles, the highest first
}

/** An example whose numbers Python fixes; arrays are flat, in memory order. */
export interface WorkedExample {
  readonly problem: string;
  readonly input: readonly number[];
  readonly weight: readonly number[];
  readonly bias: readonly number[];
}

export const DTYPES: Readonly<Record<"float32" | "float64", FloatFormat>> = constants.dtypes;
export const TARGETS: readonly Target[] = constants.targets;
export const GEMM_BLOCKING = constants.gemmBlocking;
export const LARGEST_WINOGRAD_TILE = constants.winograd.largestTile; // elements along an axis
export const WINOGRAD_POINTS: readonly (readonly number[])[] = constants.winograd.points; // by their number, infinity not counted
export const TUTORIAL_PROBLEM = constants.examples.tutorial.problem;
export const WORKED_EXAMPLE: WorkedExample = constants.examples["worked-example"];
