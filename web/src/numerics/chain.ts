// A strip of layers with its numbers: each layer's output, computed from the first layer's input.

import { place, titleOf } from "../model/layers";
import type { Layer, PlacedLayer } from "../model/layers";
import { inputShape, macs, outputShape } from "../model/problem";
import type { Problem } from "../model/problem";
import type { Source } from "../model/source";
import type { Array4 } from "../model/tensors";
import { convolve } from "./convolution";
import { pool, relu } from "./pooling";
import { operandsOfSource } from "./scene";

const MOST_MACS = 200_000_000; // of one layer, which the page computes at once

export class Chain {
  readonly layers: readonly PlacedLayer[];
  private readonly outputs = new Map<number, Array4 | null>();

  /** first: the numbers of the first layer. */
  constructor(
    layers: readonly Layer[],
    private readonly first: Source,
  ) {
    this.layers = place(layers);
  }

  /** What the first layer reads; its channels are red, green and blue if `rgb`. */
  get input(): Array4 & { readonly rgb: boolean } {
    const problem = this.layers[0].problem as Problem;
    return { shape: inputShape(problem), values: operandsOfSource(problem, this.first).input, rgb: this.first.photograph };
  }

  /** The numbers of a convolution: the output of the layer before and its own weights; missing ones are random. */
  sourceOf(index: number): Source {
    const { weight, bias, changes, misfit } = this.layers[index];
    if (index === 0) return { ...this.first, ...(weight ? { weight, bias } : {}), ...changes };
    const input = misfit ? null : this.outputOf(index - 1);
    return { name: input ? `the output of ${this.layers[index - 1].text}` : "", resampled: false, photograph: false, input: input ?? undefined, weight, bias, ...changes };
  }

  /** A layer's output of the first image; null where it has none, or takes too long to compute. */
  outputOf(index: number): Array4 | null {
    const known = this.outputs.get(index);
    if (known !== undefined) return known;
    const output = this.compute(index);
    this.outputs.set(index, output);
    return output;
  }

  /** Why a layer that fits the one before gets random numbers all the same; empty where it does not. */
  missing(index: number): string {
    const before = this.layers[index - 1] as PlacedLayer | undefined;
    if (!before?.problem || this.layers[index].misfit || this.outputOf(index - 1)) return "";
    return `${titleOf(before, index - 1)} takes more multiply-adds than the page computes at once, so ${titleOf(this.layers[index], index)} reads random numbers.`;
  }

  private compute(index: number): Array4 | null {
    const { kind, problem } = this.layers[index];
    if (!problem) return null;
    const one = { ...problem, batch: 1 };
    const shape = outputShape(one);
    if (kind === "conv") return macs(one) > MOST_MACS ? null : { shape, values: convolve(one, operandsOfSource(one, this.sourceOf(index))) };
    const before = this.outputOf(index - 1);
    if (!before) return null;
    return { shape, values: kind === "relu" ? relu(before.values) : pool(kind, one, before.values) };
  }
}
