// A small matrix as in a textbook: fractions between brackets, zeros faint, some rows and columns marked.

import type { Matrix } from "../numerics/algorithms/cook_toom";
import { html, svg } from "./dom";
import { fraction } from "./numbers";

const LINE = 19;
const LETTER = 6.6;
const EDGE = 7; // of a bracket, and between it and the numbers

export interface MatrixFigure {
  readonly element: HTMLElement;
  mark(rows: readonly number[], columns: readonly number[]): void;
}

export function matrixFigure(name: string, about: string, matrix: Matrix): MatrixFigure {
  const words = matrix.map((row) => row.map(fraction));
  const across = LETTER * Math.max(...words.flat().map((word) => word.length)) + 9;
  const [width, height] = [matrix[0].length * across + 2 * EDGE, matrix.length * LINE];
  const label = `${name}, ${matrix.length} by ${matrix[0].length}: ${words.map((row) => row.join(" ")).join("; ")}`;
  const size = `width:${width / 14}em;height:${height / 14}em`;
  const drawn = svg("svg", { viewBox: `0 0 ${width} ${height}`, style: size, role: "img", "aria-label": label });
  const marked = svg("path", { class: "marked" });
  const bracket = (x: number, by: number): string => `M${x + by} .5H${x}V${height - 0.5}H${x + by}`;
  drawn.append(marked, svg("path", { class: "bracket", d: bracket(0.5, 4) + bracket(width - 0.5, -4) }));
  words.forEach((row, i) =>
    row.forEach((word, j) => {
      const at = { x: EDGE + (j + 0.5) * across, y: (i + 0.5) * LINE + 4 };
      drawn.append(svg("text", { ...at, class: matrix[i][j] === 0 ? "entry zero" : "entry" }, word));
    }),
  );
  const row = (i: number): string => `M${EDGE} ${i * LINE + 1}h${width - 2 * EDGE}v${LINE - 2}H${EDGE}z`;
  const column = (j: number): string => `M${EDGE + j * across} 1h${across}v${height - 2}h${-across}z`;
  return {
    element: html("figure", { class: "matrix-figure" }, html("h2", {}, name, html("span", { class: "shape" }, about)), drawn),
    mark: (rows, columns) => marked.setAttribute("d", [...new Set(rows)].map(row).join("") + [...new Set(columns)].map(column).join("")),
  };
}
