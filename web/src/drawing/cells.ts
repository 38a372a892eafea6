// A grid of few cells, drawn as SVG: a rectangle for each cell, and its number where it fits.

import { colourMap, css, readableOn, rgb } from "./colour";
import type { Rgb, Theme } from "./colour";
import { svg } from "./dom";
import { corner } from "./grid_layout";
import type { Cell, Layout } from "./grid_layout";
import type { GridSpec } from "./grid_spec";
import { cell } from "./numbers";

export const LEAST_FONT = 11; // pixels of a number
const GAP = 1;
const ROOM = 2; // pixels beside a number
const WIDTH_OF_A_DIGIT = 0.62; // in units of the font's size
const WIDTH_OF_A_POINT = 0.33;
let patterns = 0; // names of the hatching patterns are numbered: several explorers may share a page

export interface Cells {
  readonly element: SVGSVGElement;
  /** Draws the values again; what has not changed stays as it is. */
  repaint(): void;
}

export function drawCells(spec: GridSpec, placed: Layout, theme: Theme, numbered: boolean): Cells {
  const { width, height } = placed;
  const name = `glassconv-hatch-${patterns++}`;
  const element = svg("svg", { class: "cells", width, height, "aria-hidden": "true" }, hatching(name, theme));
  const drawn: DrawnCell[] = [];
  for (let plane = 0; plane < spec.planes; plane++) {
    for (let row = 0; row < spec.rows; row++) {
      for (let column = 0; column < spec.columns; column++) drawn.push(new DrawnCell(spec, placed, { plane, row, column }, element));
    }
  }
  const repaint = (): void => {
    const fontSize = numbered ? Math.max(LEAST_FONT, fontSizeOf(spec, placed)) : null; // numbers that changed may be longer than room was made for
    for (const each of drawn) each.paint(theme, `url(#${name})`, fontSize);
  };
  repaint();
  return { element, repaint };
}

class DrawnCell {
  private readonly rectangle: SVGRectElement;
  private number: SVGTextElement | null = null;
  private dot: SVGCircleElement | null = null;
  private readonly box: { x: number; y: number; width: number; height: number };
  private painted = ""; // kind, fill, ink and number, as last drawn

  constructor(
    private readonly spec: GridSpec,
    placed: Layout,
    private readonly at: Cell,
    private readonly parent: SVGSVGElement,
  ) {
    const { cellWidth, cellHeight } = placed;
    const { left, top } = corner(spec, placed, at.plane);
    const gap = Math.min(cellWidth, cellHeight) > 6 ? GAP : 0;
    this.box = { x: left + at.column * cellWidth, y: top + at.row * cellHeight, width: cellWidth - gap, height: cellHeight - gap };
    this.rectangle = svg("rect", { ...this.box, rx: gap });
    parent.append(this.rectangle);
  }

  paint(theme: Theme, hatched: string, fontSize: number | null): void {
    const { plane, row, column } = this.at;
    const kind = this.spec.kind?.(plane, row, column) ?? "value";
    const value = this.spec.value(plane, row, column);
    const colour = cellColour(value, kind === "unread", this.spec, theme, this.spec.colour?.(plane, row, column));
    const fill = kind === "padding" ? hatched : kind === "hidden" ? theme.background : css(colour);
    const blank = fontSize === null || kind === "inserted" || kind === "hidden";
    const written = blank ? "" : this.written(kind === "padding" && this.spec.zeroPadding ? 0 : value);
    const ink = kind === "unread" || kind === "padding" ? theme.muted : readableOn(colour);
    const painted = `${kind} ${fill} ${written} ${ink} ${fontSize}`;
    if (painted === this.painted) return;
    this.painted = painted;
    this.rectangle.setAttribute("fill", fill);
    this.rectangle.setAttribute("stroke", kind === "hidden" ? theme.line : "none");
    this.write(written, ink, fontSize ?? 0);
    this.number?.classList.toggle("padding", kind === "padding");
    if (kind === "inserted" && !this.dot) {
      const { x, y, width, height } = this.box;
      this.dot = svg("circle", { cx: x + width / 2, cy: y + height / 2, r: 1.5, fill: theme.muted });
      this.parent.append(this.dot);
    }
  }

  private written(value: number): string {
    return Number.isNaN(value) ? "" : (this.spec.written ?? cell)(value);
  }

  private write(written: string, ink: string, fontSize: number): void {
    if (!written) {
      this.number?.remove();
      this.number = null;
      return;
    }
    const { x, y, width, height } = this.box;
    if (!this.number) {
      this.number = svg("text", { x: x + width / 2, class: "number" }, "");
      this.rectangle.after(this.number);
    }
    this.number.textContent = written;
    this.number.setAttribute("y", String(y + height / 2 + fontSize * 0.36));
    this.number.setAttribute("fill", ink);
    this.number.setAttribute("font-size", String(fontSize));
  }
}

/** The size of numbers that fit their cells. */
export function fontSizeOf(spec: GridSpec, { cellWidth, cellHeight }: Layout): number {
  return Math.min(cellHeight * 0.68, 9 + cellHeight / 4, (cellWidth - GAP - ROOM) / widest(spec));
}

/** The width of the widest number, in units of the font's size: it decides the size of them all. */
function widest(spec: GridSpec): number {
  const written = spec.written ?? cell;
  let width = 2 * WIDTH_OF_A_DIGIT;
  for (let plane = 0; plane < spec.planes; plane++) {
    for (let row = 0; row < spec.rows; row++) {
      for (let column = 0; column < spec.columns; column++) {
        const value = spec.value(plane, row, column);
        if (!Number.isNaN(value)) width = Math.max(width, widthOf(written(value)));
      }
    }
  }
  return width;
}

function widthOf(written: string): number {
  const points = written.split(".").length - 1;
  return (written.length - points) * WIDTH_OF_A_DIGIT + points * WIDTH_OF_A_POINT;
}

/** The colour of a cell: its own, or its value's. A pixel that no window reads is dimmed: mixed with the background. */
export function cellColour(value: number, dim: boolean, spec: Pick<GridSpec, "scale" | "map">, theme: Theme, own?: Rgb | null): Rgb {
  const colour = own ?? (Number.isNaN(value) ? rgb(theme.panel) : colourMap(theme, spec.map).at(value, spec.scale));
  if (!dim) return colour;
  const background = rgb(theme.background);
  return [0, 1, 2].map((part) => Math.round(0.28 * colour[part] + 0.72 * background[part])) as unknown as Rgb;
}

function hatching(name: string, theme: Theme): SVGDefsElement {
  const size = { width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  const ground = svg("rect", { width: 6, height: 6, fill: theme.background });
  const line = svg("line", { x1: 0, y1: 0, x2: 0, y2: 6, stroke: theme.line, "stroke-width": 2 });
  return svg("defs", {}, svg("pattern", { id: name, ...size }, ground, line));
}
