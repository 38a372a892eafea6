// ReLU or pooling, opened: one channel before and after, as numbers where they fit. An output marks its window.

import type { Theme } from "../drawing/colour";
import { html } from "../drawing/dom";
import { Grid } from "../drawing/grid";
import type { Cell } from "../drawing/grid_layout";
import { titleOf } from "../model/layers";
import { axes } from "../model/problem";
import type { Array4 } from "../model/tensors";
import { largestMagnitude } from "../numerics/arrays";
import type { Chain } from "../numerics/chain";

const ROOM = { width: 340, height: 250 };
const DOES = {
  conv: "",
  relu: "ReLU keeps a number that is positive, and writes 0 for one that is not.",
  maxpool: "Max pooling keeps the largest number of each window.",
  avgpool: "Average pooling writes the mean of each window.",
};

export class LayerStep {
  readonly element = html("section", { class: "layer-step", "aria-label": "layer between", hidden: true });
  index = -1; // of the layer that is open; -1 for none
  private channel = 0;

  close(): void {
    this.index = -1;
    this.element.hidden = true;
  }

  toggle(chain: Chain, index: number, theme: Theme): void {
    if (this.index === index) return this.close();
    this.index = index;
    this.redraw(chain, theme);
  }

  redraw(chain: Chain, theme: Theme): void {
    if (this.index < 0) return;
    const layer = chain.layers.at(this.index);
    const [before, after] = [this.index - 1, this.index].map((index) => chain.outputOf(index));
    if (!layer?.problem || layer.kind === "conv" || !before || !after) return this.close();
    const channels = after.shape[1];
    this.channel = Math.min(this.channel, channels - 1);
    const scale = largestMagnitude(before.values);
    const grid = (array: Array4, label: string, pointed: (cell: Cell | null) => void): Grid => {
      const [, , rows, columns] = array.shape;
      const value = (_: number, row: number, column: number): number => array.values[(this.channel * rows + row) * columns + column];
      const point = { hover: pointed, pick: pointed, leave: () => pointed(null) };
      return new Grid({ label, planes: 1, rows, columns, scale, value }, theme, ROOM, point);
    };
    const [height, width] = axes(layer.problem);
    const mark = (cell: Cell | null): void => {
      const row = (cell?.row ?? 0) * height.stride - height.padding[0];
      const column = (cell?.column ?? 0) * width.stride - width.padding[0];
      const [top, left] = [Math.max(0, row), Math.max(0, column)];
      const rows = Math.min(row + height.extent, height.inputSize) - top;
      const columns = Math.min(column + width.extent, width.inputSize) - left;
      read.mark(cell ? [{ role: "window", plane: 0, row: top, column: left, rows, columns }] : []);
      written.mark(cell ? [{ role: "window", plane: 0, row: cell.row, column: cell.column }] : []);
    };
    const read = grid(before, `before ${layer.text}`, () => undefined);
    const written = grid(after, `after ${layer.text}`, mark);
    const choice = html("select", { "aria-label": "channel" });
    for (let channel = 0; channel < channels; channel++) choice.append(html("option", { value: channel }, `channel ${channel}`));
    choice.value = String(this.channel);
    choice.addEventListener("change", () => {
      this.channel = Number(choice.value);
      read.repaint();
      written.repaint();
    });
    const close = html("button", { type: "button", "aria-label": "close" }, "×");
    close.addEventListener("click", () => this.close());
    const heading = html("h2", {}, `${titleOf(layer, this.index)}: ${layer.text}`, choice, close);
    const grids = html("div", { class: "layer-step-grids" }, read.element, html("span", { "aria-hidden": "true" }, "→"), written.element);
    this.element.replaceChildren(heading, html("p", { class: "note" }, DOES[layer.kind]), grids);
    this.element.hidden = false;
    mark({ plane: 0, row: 0, column: 0 });
  }
}
