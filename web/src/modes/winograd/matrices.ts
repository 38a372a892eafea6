// The three matrices as they are written, with the rows and columns that the focus needs.

import { html } from "../../drawing/dom";
import { matrixFigure } from "../../drawing/matrix_figure";
import { AXIS_NAMES } from "../../model/problem";
import type { Context } from "../../panes/context";
import type { Hovered } from "../../panes/hovered";
import { positionsIn } from "./tile";
import type { Tiles } from "./tile";

export function matrices(context: Context, tiles: Tiles, element: Hovered): HTMLElement {
  const { scene } = context;
  const { kernelSize } = scene.problem;
  const alike = kernelSize[0] === kernelSize[1];
  const axes: readonly (readonly number[])[] = alike ? [[0, 1]] : [[0], [1]]; // the axes that share a matrix
  const drawn = axes.flatMap((shared) => {
    const { input, filter, output } = tiles.transforms[shared[0]];
    const along = alike ? "" : `, along the ${AXIS_NAMES[shared[0]]}`;
    return [
      { of: "input", shared, ...matrixFigure("Bᵀ", `pixels${along}`, input) },
      { of: "filter", shared, ...matrixFigure("G", `filter${along}`, filter) },
      { of: "output", shared, ...matrixFigure("Aᵀ", `outputs${along}`, output) },
    ] as const;
  });
  const mark = (): void => {
    const places = positionsIn(scene, tiles, context.store.get().focus);
    const at = element.get();
    for (const { of, shared, mark } of drawn) {
      const lines = (pair: readonly number[] | null): number[] => (pair ? shared.map((axis) => pair[axis]) : []);
      if (at) mark(of === "output" ? [] : lines(at), of === "output" ? lines(at) : []);
      else if (of === "output") mark(lines(places.output), []);
      else mark([], lines(of === "input" ? places.pixel : places.tap));
    }
  };
  element.onChange(mark);
  context.onState(mark);
  return html("div", { class: "matrices" }, ...drawn.map(({ element: figure }) => figure));
}
