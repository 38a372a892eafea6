// The input's gradient is a convolution with panes of its own. Its input is the output's gradient with inserted
// zeros, its filters are the layer's, flipped, and its outputs are the layer's pixels. Every focus has a
// counterpart in that convolution, so the same panes link there as in the layer.

import { outputAt, within } from "../../model/focus";
import type { Focus } from "../../model/focus";
import { channelsPerGroup, filtersPerGroup, groupOf, tapCount, unravel } from "../../model/problem";
import type { State } from "../../model/state";
import type { Scene } from "../../numerics/scene";
import type { Context } from "../../panes/context";

/** A focus as the gradient's convolution has it. */
export function toGradientFocus(scene: Scene, focus: Focus): Focus {
  const { problem, axes } = scene;
  const perGroup = channelsPerGroup(problem);
  if (focus.kind === "input") return outputAt(focus.channel, focus.row, focus.column);
  const first = groupOf(problem, focus.filter) * perGroup;
  const flippedIndex = (tap: number): number => (focus.filter % filtersPerGroup(problem)) * tapCount(problem) + flippedTap(scene, tap);
  if (focus.kind === "weight") return { kind: "weight", filter: first + unravel(problem, focus.k)[0], k: flippedIndex(focus.k) };
  if (focus.tap !== null) {
    const [channel, tapRow, tapColumn] = unravel(problem, focus.tap);
    const row = focus.row * axes[0].stride + tapRow * axes[0].dilation - axes[0].padding[0];
    const column = focus.column * axes[1].stride + tapColumn * axes[1].dilation - axes[1].padding[0];
    const inside = row >= 0 && row < axes[0].inputSize && column >= 0 && column < axes[1].inputSize;
    if (inside) return outputAt(first + channel, row, column, flippedIndex(focus.tap));
  }
  return { kind: "input", channel: focus.filter, row: focus.row * axes[0].stride, column: focus.column * axes[1].stride };
}

/** The layer's focus for a focus of the gradient's convolution; null for an inserted zero. */
export function fromGradientFocus(scene: Scene, focus: Focus): Focus | null {
  const { problem, axes } = scene;
  if (focus.kind === "output") return { kind: "input", channel: focus.filter, row: focus.row, column: focus.column };
  if (focus.kind === "weight") {
    const perGroup = channelsPerGroup(problem);
    const filter = Math.floor(focus.filter / perGroup) * filtersPerGroup(problem) + Math.floor(focus.k / tapCount(problem));
    return { kind: "weight", filter, k: (focus.filter % perGroup) * tapCount(problem) + flippedTap(scene, focus.k) };
  }
  const [row, column] = [focus.row / axes[0].stride, focus.column / axes[1].stride];
  return Number.isInteger(row) && Number.isInteger(column) ? outputAt(focus.channel, row, column) : null;
}

/** The index of a tap in the flipped kernel. */
const flippedTap = ({ problem }: Scene, tap: number): number => tapCount(problem) - 1 - (tap % tapCount(problem));

/** The same context, for panes of the gradient's convolution. */
export function gradientContext(context: Context, gradientScene: Scene): Context {
  const { scene, store } = context;
  const toGradientState = (state: State): State => ({ ...state, focus: toGradientFocus(scene, state.focus) });
  return {
    ...context,
    scene: gradientScene,
    store: {
      get: () => toGradientState(store.get()),
      set: ({ focus, ...others }) => {
        const back = focus && fromGradientFocus(scene, within(gradientScene.original, focus));
        if (focus && !back) return;
        store.set(back ? { ...others, focus: back } : others);
      },
    },
    onState: (listener) => context.onState((state) => listener(toGradientState(state))),
  };
}
