// One named array on the way from input to output, as Python's `Step`: the same name, shape and numbers.

import type { Problem } from "../../model/problem";
import type { Numbers } from "../../model/tensors";
import type { Operands } from "../convolution";

export interface Step {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Numbers;
  readonly complex?: true; // then its values are pairs, real and imaginary
}

/** Every array an algorithm computes of a plain convolution, in order; the last is the output. */
export type Algorithm = (problem: Problem, operands: Operands) => Step[];
