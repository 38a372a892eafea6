// A magnifier over a grid without numbers: the cells around the pointer, with their numbers.

import { cellColour } from "./cells";
import { css, readableOn } from "./colour";
import type { Theme } from "./colour";
import { html, svg } from "./dom";
import type { Grid } from "./grid";
import type { Cell } from "./grid_layout";
import { cell as written } from "./numbers";

const COLUMNS = 7;
const ROWS = 5;
const WIDTH = 42;
const HEIGHT = 24;

export class Magnifier {
  readonly element = html("div", { class: "magnifier", hidden: true, "aria-hidden": "true" });

  show(grid: Grid, cell: Cell, theme: Theme, caption: string): void {
    const { spec } = grid;
    const columns = Math.min(COLUMNS, spec.columns);
    const rows = Math.min(ROWS, spec.rows);
    const left = Math.max(0, Math.min(spec.columns - columns, cell.column - Math.floor(columns / 2)));
    const top = Math.max(0, Math.min(spec.rows - rows, cell.row - Math.floor(rows / 2)));
    const drawn = svg("svg", { width: columns * WIDTH, height: rows * HEIGHT });
    for (let row = top; row < top + rows; row++) {
      for (let column = left; column < left + columns; column++) {
        const kind = spec.kind?.(cell.plane, row, column) ?? "value";
        const value = kind === "padding" ? NaN : spec.value(cell.plane, row, column);
        const colour = cellColour(value, kind === "unread", spec, theme, kind === "padding" ? null : spec.colour?.(cell.plane, row, column));
        const [x, y] = [(column - left) * WIDTH, (row - top) * HEIGHT];
        drawn.append(svg("rect", { x, y, width: WIDTH - 1, height: HEIGHT - 1, fill: css(colour) }));
        const text = kind === "padding" ? "pad" : Number.isNaN(value) ? "…" : (spec.written ?? written)(value);
        const ink = kind === "unread" || Number.isNaN(value) ? theme.muted : readableOn(colour);
        const at = { x: x + WIDTH / 2, y: y + HEIGHT / 2 + 4, fill: ink, class: "number", "font-size": 11 };
        drawn.append(svg("text", at, text));
      }
    }
    const [x, y] = [(cell.column - left) * WIDTH, (cell.row - top) * HEIGHT];
    drawn.append(svg("rect", { x, y, width: WIDTH - 1, height: HEIGHT - 1, class: "mark window" }));
    this.element.replaceChildren(drawn, html("div", { class: "magnifier-caption" }, caption));
    this.element.hidden = false;
    this.place(grid, cell);
  }

  hide(): void {
    this.element.hidden = true;
  }

  /** Places the magnifier below the cell, or above it if there is no room below. */
  private place(grid: Grid, cell: Cell): void {
    const frame = this.element.offsetParent?.getBoundingClientRect();
    if (!frame) return;
    const box = grid.element.getBoundingClientRect();
    const at = grid.rectangle(cell);
    const { offsetWidth, offsetHeight } = this.element;
    const x = box.left - frame.left + at.left + at.width / 2 - offsetWidth / 2;
    const below = box.top - frame.top + at.top + at.height + 14;
    const fits = frame.top + below + offsetHeight < innerHeight;
    const y = fits ? below : box.top - frame.top + at.top - offsetHeight - 14;
    this.element.style.left = `${Math.max(4, Math.min(frame.width - offsetWidth - 4, x))}px`;
    this.element.style.top = `${y}px`;
  }
}
