// One immutable state, who listens to it, and its place in the address.

import { axes, convolutionOf, tapCount, channelsPerGroup } from "./problem";
import type { Problem } from "./problem";
import type { Source } from "../numerics/scene";
import { format, parse } from "./shorthand";

/** The one thing that all panes talk about. Positions are those of the plain convolution. */
export type Focus =
  | { readonly kind: "output"; readonly filter: number; readonly row: number; readonly column: number; readonly tap: number | null }
  | { readonly kind: "input"; readonly channel: number; readonly row: number; readonly column: number }
  | { readonly kind: "weight"; readonly filter: number; readonly k: number };

export type OutputFocus = Extract<Focus, { kind: "output" }>;

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
  readonly playing: boolean;
  readonly explanation: string; // why a setting became another
}

type Listener = (state: State, before: State) => void;

/** Changes are gathered and told once a frame. */
export class Store {
  private told: State;
  private frame = 0;
  private readonly listeners = new Set<Listener>();

  private state: State;

  constructor(first: State) {
    this.state = { ...first, focus: within(first.problem, first.focus) };
    this.told = this.state;
  }

  get(): State {
    return this.state;
  }

  set(changes: Partial<State>): void {
    const next = { ...this.state, ...changes };
    this.state = { ...next, focus: within(next.problem, next.focus) };
    this.frame ||= requestAnimationFrame(() => this.tell());
  }

  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
    this.listeners.clear();
  }

  private tell(): void {
    this.frame = 0;
    const before = this.told;
    this.told = this.state;
    for (const listener of [...this.listeners]) listener(this.told, before);
  }
}

/** The output that a focus is on, or the first. */
export function outputOf(focus: Focus): OutputFocus {
  return focus.kind === "output" ? focus : outputAt(focus.kind === "weight" ? focus.filter : 0, 0, 0);
}

export const outputAt = (filter: number, row: number, column: number, tap: number | null = null): OutputFocus => ({
  kind: "output",
  filter,
  row,
  column,
  tap,
});

/** A focus held inside a problem whose sizes may have changed. */
export function within(asked: Problem, focus: Focus): Focus {
  const problem = convolutionOf(asked);
  const [height, width] = axes(problem);
  const perFilter = channelsPerGroup(problem) * tapCount(problem);
  if (focus.kind === "output") {
    return {
      ...focus,
      filter: hold(focus.filter, 0, problem.outChannels - 1),
      row: hold(focus.row, 0, height.outputSize - 1),
      column: hold(focus.column, 0, width.outputSize - 1),
      tap: focus.tap === null ? null : hold(focus.tap, 0, perFilter - 1),
    };
  }
  if (focus.kind === "weight") {
    return { ...focus, filter: hold(focus.filter, 0, problem.outChannels - 1), k: hold(focus.k, 0, perFilter - 1) };
  }
  return {
    ...focus,
    channel: hold(focus.channel, 0, problem.inChannels - 1),
    row: hold(focus.row, 0, height.inputSize - 1),
    column: hold(focus.column, 0, width.inputSize - 1),
  };
}

export const hold = (value: number, least: number, most: number): number => Math.max(least, Math.min(most, value));

/** Writes what an address has to say to restore the state exactly; a picture of the reader's stays here. */
export function toHash(state: State): string {
  const words = new URLSearchParams({ problem: format(state.problem), mode: state.mode, at: written(state.focus) });
  if (state.choice) words.set("choice", state.choice);
  if (state.preset) words.set("preset", state.preset);
  if (state.pinned) words.set("pinned", "1");
  if (state.theme !== "auto") words.set("theme", state.theme);
  if (state.counting !== "macs") words.set("count", state.counting);
  if (state.speed !== 1) words.set("speed", String(state.speed));
  return `#${words.toString().replaceAll("%40", "@").replaceAll("%3A", ":").replaceAll("%2C", ",")}`;
}

/** Reads what an address says; what it does not say, or says wrongly, is left out. */
export function fromHash(hash: string): Partial<State> {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const said: { -readonly [name in keyof State]?: State[name] } = {};
  try {
    if (words.has("problem")) said.problem = parse(words.get("problem") ?? "");
  } catch (error) {
    said.explanation = `The address names no problem: ${(error as Error).message}`;
  }
  const focus = read(words.get("at") ?? "");
  if (focus) said.focus = focus;
  const mode = words.get("mode");
  if (mode) said.mode = mode;
  const choice = words.get("choice");
  if (choice) said.choice = choice;
  const preset = words.get("preset");
  if (preset) said.preset = preset;
  if (words.get("pinned") === "1") said.pinned = true;
  const theme = words.get("theme");
  if (theme === "dark" || theme === "light") said.theme = theme;
  if (words.get("count") === "flops") said.counting = "flops";
  const speed = Number(words.get("speed"));
  if (SPEEDS.includes(Math.abs(speed))) said.speed = speed;
  return said;
}

export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16];

function written(focus: Focus): string {
  if (focus.kind === "input") return ["x", focus.channel, focus.row, focus.column].join();
  if (focus.kind === "weight") return ["w", focus.filter, focus.k].join();
  return ["y", focus.filter, focus.row, focus.column, ...(focus.tap === null ? [] : [focus.tap])].join();
}

function read(text: string): Focus | null {
  const [kind, ...words] = text.split(",");
  const [a, b, c, d] = words.map(Number);
  if (words.some((word) => !/^\d{1,9}$/.test(word))) return null;
  if (kind === "y" && (words.length === 3 || words.length === 4)) return outputAt(a, b, c, d ?? null);
  if (kind === "x" && words.length === 3) return { kind: "input", channel: a, row: b, column: c };
  if (kind === "w" && words.length === 2) return { kind: "weight", filter: a, k: b };
  return null;
}
