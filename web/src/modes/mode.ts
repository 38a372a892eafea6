// A mode is one way to draw the convolution. README.md explains how to add one.

import type { Problem } from "../model/problem";
import type { State, Store } from "../model/state";
import type { Scene } from "../numerics/scene";
import type { Context } from "../panes/context";

export interface Choice {
  readonly name: string; // in the address
  readonly label: string;
  readonly about: string;
}

export interface Mode {
  readonly name: string; // in the address
  readonly label: string; // on its tab
  readonly about: string; // one sentence: what the mode shows
  /** What each pane draws, in one sentence: by the pane’s name, or by its title where two have one name. */
  readonly captions: Readonly<Record<string, string>>;
  /** What its reader may choose among, the first unless they do. */
  readonly choices?: readonly Choice[];
  /** Why it cannot show a problem; null where it can. The problem is the plain convolution. */
  refusal?(problem: Problem, choice: string): string | null;
  /** Fills `context.stage`; returns what has to be undone when the mode is left. */
  render(context: Context): () => void;
  /** The text below the panes, where it is not the sum of one output. */
  sentence?(scene: Scene, state: State, store: Store): Node | null;
}

/** For a mode that leaves nothing behind but what is in its stage. */
export const noCleanup = (): void => undefined;

/** The chosen name: the state's if the mode has it, else the first one; empty for a mode without choices. */
export function chosenName({ choices = [] }: Mode, choice: string): string {
  return (choices.find(({ name }) => name === choice) ?? choices[0])?.name ?? "";
}
