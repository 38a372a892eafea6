// What a mode is: one way to look at the same convolution. README.md tells how to add one.

import type { Context } from "../panes/context";
import type { Problem } from "../model/problem";
import type { Scene } from "../numerics/scene";
import type { State, Store } from "../model/state";

export interface Choice {
  readonly name: string; // in the address
  readonly label: string;
  readonly about: string;
}

export interface Mode {
  readonly name: string; // in the address
  readonly label: string; // on its tab
  readonly about: string; // one sentence: what is to be seen
  /** What its reader may choose among, the first unless they do. */
  readonly choices?: readonly Choice[];
  /** Why it cannot show a problem; null where it can. The problem is the plain convolution. */
  refusal?(problem: Problem, choice: string): string | null;
  /** Fills `context.stage`; returns what has to be undone when the mode is left. */
  render(context: Context): () => void;
  /** What stands in the sentence's place, where the sum of one output is not the point. */
  sentence?(scene: Scene, state: State, store: Store): Node | null;
}

/** For a mode that leaves nothing behind but what is in its stage. */
export const noCleanup = (): void => undefined;

/** What is chosen in a mode: what the state says where the mode knows it, else the first; empty without choices. */
export function chosenName({ choices = [] }: Mode, choice: string): string {
  return (choices.find(({ name }) => name === choice) ?? choices[0])?.name ?? "";
}
