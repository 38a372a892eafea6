// The page's state: immutable, in a store with listeners.

import { outputAt, positionOf, within } from "./focus";
import type { Focus } from "./focus";
import type { Layer } from "./layers";
import type { Problem } from "./problem";
import type { Source } from "./source";

export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16]; // of playing, times normal

/** What the player plays: the outputs of a filter, or the products of one output. */
export type Played = "outputs" | "products";

export interface State {
  readonly problem: Problem;
  readonly source: Source;
  readonly preset: string; // name of the preset that `source` is of; empty for the report's own
  readonly mode: string;
  readonly choice: string; // among the mode's; empty for its first
  readonly focus: Focus;
  readonly pinned: boolean;
  readonly theme: "auto" | "dark" | "light";
  readonly counting: "macs" | "flops";
  readonly speed: number; // times normal; negative runs back
  readonly playing: Played | false;
  readonly explanation: string; // why a setting became another
  readonly error: string; // why what was typed is no problem
  /** How many outputs of each filter have appeared; null where all are shown. The focus makes them appear. */
  readonly revealed: number | null;
  readonly layers: readonly Layer[]; // of a strip; empty where there is one layer alone
  readonly first: Source | null; // the numbers of the strip's first layer, where another one is open
  readonly layer: number; // of the strip, the one that `problem` is of
}

/** A problem with its numbers, at its first output, with all outputs shown: what an explorer and a guide begin with. */
export const initialState = (problem: Problem, source: Source): State => ({
  problem,
  source,
  preset: "",
  mode: "",
  choice: "",
  focus: outputAt(0, 0, 0),
  pinned: false,
  theme: "auto",
  counting: "macs",
  speed: 1,
  playing: false,
  explanation: "",
  error: "",
  revealed: null,
  layers: [],
  layer: 0,
  first: null,
});

/** How many columns of the im2col matrix have appeared: the window's own is there before its sum is complete. */
export function columnsRevealed({ problem, focus, revealed }: State): number {
  if (revealed === null) return Infinity;
  return focus.kind === "output" ? Math.max(revealed, positionOf(problem, focus) + 1) : revealed;
}

type Listener = (state: State, before: State) => void;

/** Collects changes and notifies listeners once a frame. */
export class Store {
  private notified: State;
  private frame = 0;
  private readonly listeners = new Set<Listener>();

  private state: State;

  constructor(first: State) {
    this.state = consistent(first);
    this.notified = this.state;
  }

  get(): State {
    return this.state;
  }

  set(changes: Partial<State>): void {
    this.state = consistent({ ...this.state, ...changes });
    this.frame ||= requestAnimationFrame(() => this.notify());
  }

  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
    this.listeners.clear();
  }

  private notify(): void {
    this.frame = 0;
    const before = this.notified;
    this.notified = this.state;
    for (const listener of [...this.listeners]) listener(this.notified, before);
  }
}

/** The state with its focus inside the problem; an output whose sum is complete has appeared. */
function consistent(state: State): State {
  const focus = within(state.problem, state.focus);
  if (state.revealed === null || focus.kind !== "output") return { ...state, focus };
  const reached = positionOf(state.problem, focus) + (focus.tap === null ? 1 : 0);
  return { ...state, focus, revealed: Math.max(state.revealed, reached) };
}
