// The algorithms, by Python's names. `glassconv.trace` computes the same steps; tests/explore/test_steps.py
// compares the two.

import { fft } from "./fft";
import { im2col } from "./im2col";
import { kn2row } from "./kn2row";
import type { Algorithm } from "./step";
import { winograd2, winograd4, winograd6 } from "./winograd";

export const ALGORITHMS: Readonly<Record<string, Algorithm>> = { fft, im2col, kn2row, winograd2, winograd4, winograd6 };
