// The modes, in the groups and the order of their tabs. A mode is added by a file and its name here.

import { backward } from "./backward";
import { fft } from "./fft";
import { tiles } from "./gemm_tiles";
import { kn2row } from "./kn2row";
import { matrix } from "./matrix";
import type { Mode } from "./mode";
import { verify } from "./verify";
import { window } from "./window";
import { winograd } from "./winograd";

export interface ModeGroup {
  readonly label: string; // above its tabs
  readonly modes: readonly Mode[];
}

export const MODE_GROUPS: readonly ModeGroup[] = [
  { label: "Basics", modes: [window, matrix, backward] },
  { label: "Faster algorithms", modes: [winograd, fft, kn2row] },
  { label: "Machine", modes: [tiles, verify] },
];

export const MODES: readonly Mode[] = MODE_GROUPS.flatMap(({ modes }) => modes);
