// Many cells, painted on a canvas. What is painted is bounded by the screen's pixels, not by the
// matrix: where cells are smaller than a pixel, each pixel is the mean of some of its cells.

import { cellColour } from "./cells";
import { pack, rgb } from "./colour";
import type { ColourMap, Rgb, Theme } from "./colour";
import { corner } from "./grid_layout";
import type { Layout } from "./grid_layout";
import type { GridSpec } from "./grid_spec";

const MOST_SAMPLES = 3; // of the cells under one pixel, along each axis

export function paint(canvas: HTMLCanvasElement, spec: GridSpec, placed: Layout, theme: Theme, map: ColourMap): void {
  const density = Math.min(devicePixelRatio || 1, 2);
  canvas.width = Math.max(1, Math.round(placed.width * density));
  canvas.height = Math.max(1, Math.round(placed.height * density));
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser has no Canvas 2D");
  context.imageSmoothingEnabled = false;

  const { rows, columns } = spec;
  const [width, height] = [columns * placed.cellWidth, rows * placed.cellHeight];
  const image = new ImageData(
    Math.max(1, Math.min(columns, Math.round(width * density))),
    Math.max(1, Math.min(rows, Math.round(height * density))),
  );
  const aside = new OffscreenCanvas(image.width, image.height);
  const asideContext = aside.getContext("2d");
  const hatch = context.createPattern(hatching(theme, density), "repeat");
  const padded = spec.kind !== undefined;
  for (let plane = 0; plane < spec.planes; plane++) {
    const { left, top } = corner(spec, placed, plane);
    const box = [left, top, width, height].map((size) => size * density) as [number, number, number, number];
    if (padded && hatch) {
      context.fillStyle = hatch;
      context.fillRect(...box);
    }
    fill(image, spec, plane, theme, map);
    asideContext?.putImageData(image, 0, 0);
    context.drawImage(aside, ...box);
  }
  if (Math.min(placed.cellWidth, placed.cellHeight) >= 7) rule(context, spec, placed, theme, density);
}

/** One image pixel for each cell, or fewer. Padding is left transparent: the hatching shows through. */
function fill(image: ImageData, spec: GridSpec, plane: number, theme: Theme, map: ColourMap): void {
  const { width, height } = image;
  const pixels = new Uint32Array(image.data.buffer);
  const [panel, background] = [pack(rgb(theme.panel)), pack(rgb(theme.background))];
  let place = 0;
  for (let y = 0; y < height; y++) {
    const rowsUnder = span(y, height, spec.rows);
    for (let x = 0; x < width; x++, place++) {
      const columnsUnder = span(x, width, spec.columns);
      const kind = spec.kind?.(plane, rowsUnder[0], columnsUnder[0]) ?? "value";
      if (kind === "padding") {
        pixels[place] = 0;
        continue;
      }
      if (kind === "hidden") {
        pixels[place] = background;
        continue;
      }
      const colour = spec.colour && meanColour(spec, plane, rowsUnder, columnsUnder);
      const value = colour ? NaN : mean(spec, plane, rowsUnder, columnsUnder);
      if (kind === "unread" || colour) pixels[place] = pack(cellColour(value, kind === "unread", spec, theme, colour));
      else pixels[place] = Number.isNaN(value) ? panel : map.packed[map.step(value, spec.scale)];
    }
  }
}

function mean(spec: GridSpec, plane: number, [row, rowEnd, rowStep]: Span, [column, columnEnd, columnStep]: Span): number {
  let sum = 0;
  let cells = 0;
  for (let r = row; r < rowEnd; r += rowStep) {
    for (let c = column; c < columnEnd; c += columnStep) {
      sum += spec.value(plane, r, c);
      cells++;
    }
  }
  return sum / cells;
}

/** The mean of the cells' own colours; null where one of them has none. */
function meanColour(spec: GridSpec, plane: number, [row, rowEnd, rowStep]: Span, [column, columnEnd, columnStep]: Span): Rgb | null {
  const sum = [0, 0, 0];
  let cells = 0;
  for (let r = row; r < rowEnd; r += rowStep) {
    for (let c = column; c < columnEnd; c += columnStep) {
      const colour = spec.colour?.(plane, r, c);
      if (!colour) return null;
      colour.forEach((part, place) => (sum[place] += part));
      cells++;
    }
  }
  return sum.map((part) => Math.round(part / cells)) as unknown as Rgb;
}

type Span = readonly [first: number, end: number, step: number];

/** The cells under a pixel: first, end, and how far apart to sample them. */
function span(pixel: number, pixels: number, cells: number): Span {
  const first = Math.floor((pixel * cells) / pixels);
  const end = Math.max(first + 1, Math.floor(((pixel + 1) * cells) / pixels));
  return [first, end, Math.max(1, Math.ceil((end - first) / MOST_SAMPLES))];
}

function rule(context: CanvasRenderingContext2D, spec: GridSpec, placed: Layout, theme: Theme, density: number): void {
  context.fillStyle = theme.background;
  const { cellWidth, cellHeight } = placed;
  for (let plane = 0; plane < spec.planes; plane++) {
    const { left, top } = corner(spec, placed, plane);
    for (let column = 1; column <= spec.columns; column++) {
      const x = Math.round((left + column * cellWidth) * density) - 1;
      context.fillRect(x, top * density, 1, spec.rows * cellHeight * density);
    }
    for (let row = 1; row <= spec.rows; row++) {
      const y = Math.round((top + row * cellHeight) * density) - 1;
      context.fillRect(left * density, y, spec.columns * cellWidth * density, 1);
    }
  }
}

function hatching(theme: Theme, density: number): OffscreenCanvas {
  const size = Math.round(6 * density);
  const tile = new OffscreenCanvas(size, size);
  const context = tile.getContext("2d");
  if (!context) return tile;
  context.fillStyle = theme.background;
  context.fillRect(0, 0, size, size);
  context.strokeStyle = theme.line;
  context.lineWidth = 1.4 * density;
  for (const shift of [-size, 0, size]) {
    context.beginPath();
    context.moveTo(shift, size);
    context.lineTo(shift + size, 0);
    context.stroke();
  }
  return tile;
}
