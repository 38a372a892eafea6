// Few cells, drawn as SVG: a rectangle each, and its number where that fits.

import { colourMap, css, readableOn, rgb } from "./colour";
import type { Rgb, Theme } from "./colour";
import { svg } from "./dom";
import type { GridSpec } from "./grid";
import { corner } from "./layout";
import type { Layout } from "./layout";
import { cell } from "./numbers";

const GAP = 1;
let patterns = 0; // each hatching has its own name: several explorers may share a page

export function drawCells(spec: GridSpec, placed: Layout, theme: Theme, numbered: boolean): SVGSVGElement {
  const { width, height, cellWidth, cellHeight } = placed;
  const written = spec.written ?? cell;
  const name = `glassconv-hatch-${patterns++}`;
  const drawn = svg("svg", { class: "cells", width, height, "aria-hidden": "true" }, hatching(name, theme));
  const fontSize = fontSizeOf(spec, placed);
  const gap = Math.min(cellWidth, cellHeight) > 6 ? GAP : 0;
  for (let plane = 0; plane < spec.planes; plane++) {
    const { left, top } = corner(spec, placed, plane);
    for (let row = 0; row < spec.rows; row++) {
      for (let column = 0; column < spec.columns; column++) {
        const [x, y] = [left + column * cellWidth, top + row * cellHeight];
        const box = { x, y, width: cellWidth - gap, height: cellHeight - gap, rx: gap };
        const kind = spec.kind?.(plane, row, column) ?? "value";
        const value = spec.value(plane, row, column);
        if (kind === "padding") {
          drawn.append(svg("rect", { ...box, fill: `url(#${name})` }));
        } else {
          const colour = shade(value, kind === "unread", spec, theme);
          drawn.append(svg("rect", { ...box, fill: css(colour) }));
          if (numbered && kind !== "inserted" && !Number.isNaN(value)) {
            const ink = kind === "unread" ? theme.muted : readableOn(colour);
            const at = { x: x + (cellWidth - gap) / 2, y: y + (cellHeight - gap) / 2 + fontSize * 0.36 };
            drawn.append(svg("text", { ...at, fill: ink, "font-size": fontSize, class: "number" }, written(value)));
          }
        }
        if (kind === "inserted") {
          const [centreX, centreY] = [x + cellWidth / 2, y + cellHeight / 2];
          drawn.append(svg("circle", { cx: centreX, cy: centreY, r: 1.5, fill: theme.muted }));
        }
      }
    }
  }
  return drawn;
}

/** The size of numbers that fit their cells. */
export function fontSizeOf(spec: GridSpec, { cellWidth, cellHeight }: Layout): number {
  return Math.min(13, cellHeight * 0.6, (cellWidth * 1.5) / longest(spec));
}

/** Letters of the longest number, which decide the size of them all. */
function longest(spec: GridSpec): number {
  const written = spec.written ?? cell;
  let letters = 2;
  for (let plane = 0; plane < spec.planes; plane++) {
    for (let row = 0; row < spec.rows; row++) {
      for (let column = 0; column < spec.columns; column++) {
        const value = spec.value(plane, row, column);
        if (!Number.isNaN(value)) letters = Math.max(letters, written(value).length);
      }
    }
  }
  return letters;
}

/** A value's colour; of an unread one, three quarters on the way to the background. */
export function shade(value: number, dim: boolean, spec: Pick<GridSpec, "scale" | "map">, theme: Theme): Rgb {
  const colour = Number.isNaN(value) ? rgb(theme.panel) : colourMap(theme, spec.map).at(value, spec.scale);
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
