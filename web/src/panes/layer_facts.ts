// The facts of each layer of a strip: output shape, multiply-adds, receptive field.

import { grouped } from "../drawing/numbers";
import type { PlacedLayer } from "../model/layers";
import { macs, outputShape } from "../model/problem";
import type { Problem } from "../model/problem";
import { receptiveField, sizeOf } from "../numerics/receptive_field";

/** A line for each layer. The receptive field accumulates while each layer reads the one before. */
export function layerFacts(layers: readonly PlacedLayer[]): string[] {
  let through: Problem[] = [];
  return layers.map(({ problem, kind, misfit }) => {
    if (!problem) return "";
    through = misfit ? [problem] : [...through, problem];
    const field = receptiveField(through, [0, 0]).map(sizeOf).join(" × ");
    const [, ...shape] = outputShape(problem);
    const work = kind === "conv" ? ` · ${grouped(macs(problem))} MACs` : "";
    return `→ ${shape.join(" × ")}${work} · receptive field ${field}`;
  });
}
