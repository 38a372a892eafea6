// Where a problem's numbers come from.

import type { Array4 } from "./tensors";

/** Where numbers come from; a missing array is filled with random numbers from a fixed seed. */
export interface Source {
  readonly name: string; // for people
  readonly resampled: boolean; // to another input size; otherwise that size gets random numbers
  readonly rgb: boolean; // the three channels are red, green and blue
  readonly input?: Array4 | undefined;
  readonly weight?: Array4 | undefined;
  readonly bias?: Array4 | undefined;
  readonly output?: Array4 | undefined; // PyTorch's, for `problem`
  readonly problem?: string | undefined;
}
