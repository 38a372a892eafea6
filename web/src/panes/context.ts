// What a mode draws with.

import type { Theme } from "../drawing/colour";
import type { Magnifier } from "../drawing/magnifier";
import type { State, Store } from "../model/state";
import type { Scene } from "../numerics/scene";
import type { Editor } from "./editor";

export interface Room {
  readonly width: number;
  readonly height: number;
  readonly largestCell?: number; // where not the grid's own
}

export interface Context {
  readonly store: Pick<Store, "get" | "set">;
  readonly scene: Scene;
  readonly theme: Theme;
  readonly stage: HTMLElement; // empty; the mode fills it
  readonly room: Room; // the stage's width, and the height that fits a window
  readonly magnifier: Magnifier;
  readonly editor: Editor | null; // null where numbers cannot be edited
  readonly choice: string; // of the mode's choices
  readonly still: boolean; // the reader asked for reduced motion
  /** Calls now and after every change of state that keeps the problem, until the mode is left. */
  onState(listener: (state: State) => void): void;
  /** Calls whenever more outputs are known, until the mode is left. */
  onNumbers(listener: () => void): void;
  /** Redraws the mode, for what needs another layout. */
  redraw(): void;
}
