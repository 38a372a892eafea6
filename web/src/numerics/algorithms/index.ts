// The algorithms, by Python's names: `glassconv.trace` of each makes the same steps, and a test holds
// these to those.

import type { Algorithm } from "./step";
import { fft } from "./fft";
import { im2col } from "./im2col";
import { kn2row } from "./kn2row";
import { winograd2, winograd4, winograd6 } from "./winograd";

export const ALGORITHMS: Readonly<Record<string, Algorithm>> = { fft, im2col, kn2row, winograd2, winograd4, winograd6 };
