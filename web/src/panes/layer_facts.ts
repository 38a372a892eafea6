// The facts of each layer of a network: output shape, multiply-adds, receptive field.

import { grouped } from "../drawing/numbers";
import { axes, inputShape, macs, outputShape } from "../model/problem";
import type { Problem } from "../model/problem";

/** A line for each layer. The receptive field accumulates while each layer's input is the output of the one before. */
export function layerFacts(layers: readonly Problem[]): string[] {
  let field = [1, 1]; // receptive field of one output, in the first input
  let spacing = [1, 1]; // on the first input, two neighbours
  return layers.map((layer, place) => {
    const before = layers[place - 1];
    if (!before || inputShape(layer).join() !== outputShape(before).join()) [field, spacing] = [[1, 1], [1, 1]];
    const along = axes(layer);
    field = field.map((size, axis) => size + (along[axis].extent - 1) * spacing[axis]);
    spacing = spacing.map((step, axis) => step * along[axis].stride);
    const [, ...shape] = outputShape(layer);
    return `→ ${shape.join(" × ")} · ${grouped(macs(layer))} MACs · receptive field ${field.join(" × ")}`;
  });
}
