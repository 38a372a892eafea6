// The one thing that all panes show: an output, an input pixel or a weight.

import { clamp } from "./arithmetic";
import { axes, channelsPerGroup, convolutionOf, filtersPerGroup, groupOf, tapCount, unravel } from "./problem";
import type { Problem } from "./problem";

/** The one thing that all panes talk about. Positions are those of the plain convolution. */
export type Focus =
  | { readonly kind: "output"; readonly filter: number; readonly row: number; readonly column: number; readonly tap: number | null }
  | { readonly kind: "input"; readonly channel: number; readonly row: number; readonly column: number }
  | { readonly kind: "weight"; readonly filter: number; readonly k: number };

export type OutputFocus = Extract<Focus, { kind: "output" }>;

/** The output that a focus is on, or the first. */
export function outputOf(focus: Focus): OutputFocus {
  return focus.kind === "output" ? focus : outputAt(focus.kind === "weight" ? focus.filter : 0, 0, 0);
}

/** The position of an output in its filter, row by row: the column of the im2col matrix that it reads. */
export function positionOf(original: Problem, { row, column }: OutputFocus): number {
  return row * axes(convolutionOf(original))[1].outputSize + column;
}

/** The output at a position of its filter: the inverse of `positionOf`. */
export function outputAtPosition(original: Problem, filter: number, position: number): OutputFocus {
  const wide = axes(convolutionOf(original))[1].outputSize;
  return outputAt(filter, Math.floor(position / wide), position % wide);
}

export const outputAt = (filter: number, row: number, column: number, tap: number | null = null): OutputFocus => ({
  kind: "output",
  filter,
  row,
  column,
  tap,
});

/** The focus, clamped to a problem whose sizes may have changed. */
export function within(original: Problem, focus: Focus): Focus {
  const problem = convolutionOf(original);
  const [height, width] = axes(problem);
  const perFilter = channelsPerGroup(problem) * tapCount(problem);
  if (focus.kind === "output") {
    return {
      ...focus,
      filter: clamp(focus.filter, 0, problem.outChannels - 1),
      row: clamp(focus.row, 0, height.outputSize - 1),
      column: clamp(focus.column, 0, width.outputSize - 1),
      tap: focus.tap === null ? null : clamp(focus.tap, 0, perFilter - 1),
    };
  }
  if (focus.kind === "weight") {
    return { ...focus, filter: clamp(focus.filter, 0, problem.outChannels - 1), k: clamp(focus.k, 0, perFilter - 1) };
  }
  return {
    ...focus,
    channel: clamp(focus.channel, 0, problem.inChannels - 1),
    row: clamp(focus.row, 0, height.inputSize - 1),
    column: clamp(focus.column, 0, width.inputSize - 1),
  };
}

/** The input channel of a focus. Of an output it is the channel of the product in focus, or of its first product. */
export function channelOf(problem: Problem, focus: Focus): number {
  if (focus.kind === "input") return focus.channel;
  const first = groupOf(problem, focus.filter) * channelsPerGroup(problem);
  const k = focus.kind === "weight" ? focus.k : (focus.tap ?? 0);
  return first + unravel(problem, k)[0];
}

/** The filter of a focus; of a pixel the first filter that reads its channel. */
export function filterOf(problem: Problem, focus: Focus): number {
  return focus.kind === "input" ? firstFilterOf(problem, focus.channel) : focus.filter;
}

/** The first filter of the group that reads a channel. */
export function firstFilterOf(problem: Problem, channel: number): number {
  return Math.floor(channel / channelsPerGroup(problem)) * filtersPerGroup(problem);
}
