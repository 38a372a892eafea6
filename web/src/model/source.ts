// Where a problem's numbers come from.

import type { Array4 } from "./tensors";

/** Where numbers come from; a missing array is filled with random numbers from a fixed seed. */
export interface Source {
  readonly name: string; // for people
  readonly resampled: boolean; // to another input size; otherwise that size gets random numbers
  readonly photograph: boolean; // its channels are red, green and blue, or one of grey
  readonly input?: Array4 | undefined;
  readonly weight?: Array4 | undefined;
  readonly bias?: Array4 | undefined;
  readonly output?: Array4 | undefined; // PyTorch's, for `problem`
  readonly gradients?: Gradients | undefined; // what computes those of `problem`
  readonly problem?: string | undefined;
  readonly kernel?: string | undefined; // a named kernel, in place of the weight; the bias is then 0
  readonly edits?: readonly Edit[] | undefined; // numbers that the reader typed, the oldest first
}

/** What computes a gradient in training, on the machine that wrote the report. */
export interface GradientKernel {
  readonly kernel: string | null; // null: PyTorch
  readonly reason: string; // for people
  readonly seconds: number | null; // predicted for the kernel, and for PyTorch
  readonly pytorchSeconds: number | null;
}

export type Gradients = Readonly<Record<"input" | "weight", GradientKernel>>;

/** One number of the layer: w[filter, channel of its group, row, column], x[channel, row, column] or bias[filter]. */
export interface Place {
  readonly array: "w" | "x" | "b";
  readonly index: readonly number[];
}

export interface Edit extends Place {
  readonly value: number;
}
