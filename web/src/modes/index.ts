// The modes, in the order of their tabs. A mode is added by a file and a line here.

import { backward } from "./backward";
import { fft } from "./fft";
import { tiles } from "./gemm_tiles";
import { kn2row } from "./kn2row";
import { matrix } from "./matrix";
import type { Mode } from "./mode";
import { verify } from "./verify";
import { window } from "./window";
import { winograd } from "./winograd";

export const MODES: readonly Mode[] = [window, matrix, winograd, fft, kn2row, tiles, backward, verify];
