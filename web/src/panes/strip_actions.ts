// The strip's actions: opens, adds and removes layers, and keeps the numbers of a layer that is left.

import { outputAt } from "../model/focus";
import { kindOf, place, readLayers, withProblem } from "../model/layers";
import type { Layer } from "../model/layers";
import { format } from "../model/shorthand";
import type { Source } from "../model/source";
import type { State, Store } from "../model/state";
import { Chain } from "../numerics/chain";
import type { Scene } from "../numerics/scene";

export class Strip {
  private known: { scene: Scene; layers: readonly Layer[]; chain: Chain } | null = null;

  constructor(
    private readonly store: Pick<Store, "get" | "set">,
    private readonly scene: () => Scene,
  ) {}

  /** The layers with their numbers, the open one's as they are on the page. */
  chain(): Chain {
    const state = this.store.get();
    const scene = this.scene();
    if (this.known?.layers !== state.layers || this.known.scene !== scene) {
      this.known = { layers: state.layers, scene, chain: new Chain(this.kept(), firstOf(state)) };
    }
    return this.known.chain;
  }

  /** Shows a convolution of the strip, which reads what the layers before it write. */
  open(index: number): void {
    const state = this.store.get();
    const layers = this.kept();
    const first = firstOf(state);
    const chain = new Chain(layers, first);
    const { problem, misfit } = chain.layers[index];
    if (!problem) return this.store.set({ explanation: misfit });
    const opened = { layers, layer: index, first, problem, source: chain.sourceOf(index) };
    this.store.set({ ...opened, explanation: "", focus: outputAt(0, 0, 0), pinned: false, playing: false });
  }

  /** Appends one layer or more in shorthand; what cannot be is explained. */
  add(written: string): void {
    const before = this.kept();
    const layers = [...before, ...readLayers(written)];
    const wrong = place(layers).find(({ problem }) => !problem);
    if (wrong) this.store.set({ explanation: `${wrong.text || "An empty layer"}: ${wrong.misfit}` });
    else this.store.set({ layers, explanation: "" });
  }

  removeLast(): void {
    const layers = this.kept().slice(0, -1);
    if (this.store.get().layer >= layers.length) this.open(layers.findLastIndex(({ text }) => kindOf(text) === "conv"));
    this.store.set({ layers: layers.length > 1 ? layers : [] });
  }

  /** Keeps the strip up to date with a problem that its sliders changed. */
  follow(): void {
    const { layers, layer, problem } = this.store.get();
    if (!layers.length) return;
    const known = place(layers)[layer].problem;
    if (known && format({ ...known, batch: 1, same: false }) === format({ ...problem, batch: 1, same: false })) return;
    this.store.set({ layers: withProblem(layers, layer, problem) });
  }

  /** The layers, the open one with what the reader changed. */
  private kept(): Layer[] {
    const { layers, layer, problem, source } = this.store.get();
    const { kernel, edits } = source;
    const all = layers.length ? layers : [{ name: "", text: format(problem) }];
    return all.map((each, index) => (index === layer ? { ...each, changes: { kernel, edits } } : each));
  }
}

const firstOf = ({ layer, source, first }: State): Source => (layer === 0 ? source : (first ?? source));

/** A state with its strip's numbers: a link holds changes alone, so the others come from known layers and the first layer's source. */
export function withNumbers(state: State, known: readonly Layer[]): State {
  const differs = state.layers.findIndex(({ text }, index) => known[index]?.text !== text);
  const layers = state.layers.map((layer, index) => (differs < 0 || index < differs ? { ...known[index], changes: layer.changes } : layer));
  if (!layers.length) return { ...state, layers, layer: 0, first: null };
  return { ...state, layers, first: state.source, source: new Chain(layers, state.source).sourceOf(state.layer) };
}
