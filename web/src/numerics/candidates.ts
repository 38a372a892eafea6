// The candidates that Verify compares with the definition: rounded outputs, and their error bounds.

import type { Problem } from "../model/problem";
import type { Numbers } from "../model/tensors";
import type { Algorithm } from "./algorithms/step";
import { refusalOf, winograd2, winograd4, winograd6 } from "./algorithms/winograd";
import { winogradBound } from "./algorithms/winograd_bound";
import type { Operands } from "./convolution";
import type { Scene } from "./scene";
import { roundedSums, sumsBound } from "./verification";
import type { Bound } from "./verification";

export interface Candidate {
  readonly name: string; // in the address
  readonly label: string;
  readonly about: string;
  /** Why it cannot compute a problem; null where it can. */
  refusal?(problem: Problem): string | null;
  /** One filter's outputs, from the problem of that filter alone; null where they are not known. */
  run(problem: Problem, operands: Operands, scene: Scene, filter: number): Numbers | null;
  bound(problem: Problem, operands: Operands, magnitude: Float64Array): Bound;
}

const plain = (problem: Problem, _: Operands, magnitude: Float64Array): Bound => sumsBound(problem, magnitude);

export const CANDIDATES: readonly Candidate[] = [
  {
    name: "sums",
    label: "Plain sums",
    about: "Every product and every sum rounded, in memory order: what a loop in C does.",
    run: roundedSums,
    bound: plain,
  },
  {
    name: "pytorch",
    label: "PyTorch",
    about: "PyTorch’s own output, where this page has it.",
    run: (_, __, { pytorch, positions }, filter) => (pytorch ? (pytorch.subarray(filter * positions, (filter + 1) * positions) as Numbers) : null),
    bound: plain,
  },
  winograd(winograd2, 2),
  winograd(winograd4, 4),
  winograd(winograd6, 6),
];

function winograd(algorithm: Algorithm, outputs: number): Candidate {
  return {
    name: `winograd${outputs}`,
    label: `Winograd ${outputs} × ${outputs}`,
    about: "Tiles transformed, multiplied and transformed back; each array on the way rounded once.",
    refusal: (problem) => refusalOf(problem, outputs),
    run: (problem, operands) => algorithm(problem, operands).at(-1)?.values ?? null,
    bound: (problem, operands) => winogradBound(problem, operands, outputs),
  };
}
