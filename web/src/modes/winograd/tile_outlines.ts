// The tiles of an image: thin lines between tiles, and a frame around the tile in focus.

import { svg } from "../../drawing/dom";
import type { Grid } from "../../drawing/grid";
import type { Mark } from "../../drawing/grid_spec";

const LEAST_CELL = 3; // pixels; lines through smaller cells would hide them

export class TileOutlines {
  private readonly frame = svg("path", { class: "frame" });

  constructor(
    private readonly grid: Grid,
    down: number,
    across: number,
  ) {
    const { planes, rows, columns } = grid.spec;
    let lines = "";
    for (let plane = 0; plane < planes; plane++) {
      const cell = grid.rectangle({ plane, row: 0, column: 0 });
      if (cell.width < LEAST_CELL) break;
      const whole = grid.rectangle({ plane, row: 0, column: 0, rows, columns });
      for (let row = down; row < rows; row += down) lines += `M${whole.left} ${whole.top + row * cell.height}h${whole.width}`;
      for (let column = across; column < columns; column += across) lines += `M${whole.left + column * cell.width} ${whole.top}v${whole.height}`;
    }
    const lattice = svg("svg", { class: "overlay", "aria-hidden": "true" }, svg("path", { class: "tile-lines", d: lines }), this.frame);
    grid.element.append(lattice);
  }

  show(places: readonly Omit<Mark, "role">[]): void {
    const boxes = places.filter(({ plane }) => plane >= 0 && plane < this.grid.spec.planes).map((place) => this.grid.rectangle(place));
    this.frame.setAttribute("d", boxes.map(({ left, top, width, height }) => `M${left} ${top}h${width}v${height}h${-width}z`).join(""));
  }
}
