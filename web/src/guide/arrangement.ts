// Where the guide's panes are: all of them in one screen, the numbers as large as they fit.

import { html } from "../drawing/dom";
import { clamp } from "../model/arithmetic";
import { gemm } from "../model/problem";
import { columnsPane } from "../panes/columns";
import type { Context, Room } from "../panes/context";
import { inputPane } from "../panes/input";
import { outputPane } from "../panes/output";
import { weightPane } from "../panes/weight";
import type { View } from "./steps";

const NARROW = 620; // pixels; below, everything is in one column
const NUMBERED = 17; // pixels of a cell that holds its number
const PLANE_GAP = 10; // pixels between the planes of a picture, as the grid leaves them
const LABEL = 18; // pixels of the text above a plane

/** The panes of a view, in `context.stage`. */
export function arrange(context: Context, view: View): void {
  const { stage, room } = context;
  const line = parseFloat(getComputedStyle(stage).fontSize);
  const { width, height } = room;
  const [largest, largestInMatrix] = [Math.max(84, height / 7), Math.max(48, height / 14)];
  const space: Space = { width, height, heading: 2.1 * line, gap: clamp(width / 45, 10, 44), narrow: width < NARROW, largest, largestInMatrix };
  stage.style.gap = `${space.gap / 2}px ${space.gap}px`;
  if (view === "product") product(context, space);
  else pictures(context, space, view === "columns");
}

interface Space extends Room {
  readonly heading: number; // height of a pane's heading
  readonly gap: number;
  readonly narrow: boolean;
  readonly largest: number; // cell of a picture, in pixels
  readonly largestInMatrix: number;
}

/** What is drawn as pictures: planes of cells, side by side. */
interface Planes {
  readonly planes: number;
  readonly rows: number;
  readonly columns: number; // of all planes
}

function planesOf({ scene }: Context): Record<"input" | "weight" | "output", Planes> {
  const { problem, axes } = scene;
  const [height, width] = axes;
  const planes = (number: number, rows: number, columns: number): Planes => ({ planes: number, rows, columns: number * columns });
  return {
    input: planes(problem.inChannels, height.paddedSize, width.paddedSize),
    weight: planes(problem.inChannels, height.kernelSize, width.kernelSize),
    output: planes(problem.outChannels, height.outputSize, width.outputSize),
  };
}

/** The largest cell with which some pictures fit side by side. */
function cellOf({ largest }: Space, width: number, height: number, gap: number, ...pictures: readonly Planes[]): number {
  const spaces = pictures.reduce((sum, { planes }) => sum + (planes - 1) * PLANE_GAP, (pictures.length - 1) * gap);
  const columns = pictures.reduce((sum, picture) => sum + picture.columns, 0);
  const down = Math.min(...pictures.map(({ rows }) => (height - LABEL) / rows));
  return clamp(Math.min((width - spaces) / columns, down), 1, largest);
}

function roomOf({ planes, rows, columns }: Planes, cell: number): Room {
  return { width: columns * cell + (planes - 1) * PLANE_GAP + 1, height: rows * cell + LABEL + 1, largestCell: cell };
}

/** Input, filter and output, and the im2col matrix beside them where the windows are unrolled. */
function pictures(context: Context, space: Space, unrolled: boolean): void {
  const { stage, scene } = context;
  const { input, weight, output } = planesOf(context);
  const { width, narrow, heading, gap } = space;
  const { k, n } = gemm(scene.problem);
  const matrix = unrolled ? columnsRoom(space, k, n) : null;
  const across = !narrow && !matrix;
  const left = width - (matrix ? matrix.width + 2 * gap : 0);
  const height = space.height - (across ? 1 : 2) * heading - gap;
  const share = input.rows / (input.rows + Math.max(weight.rows, output.rows));
  const cell = across ? cellOf(space, width, height, 2 * gap, input, weight, output) : cellOf(space, left, height * share, gap, input);
  const below = across ? cell : cellOf(space, narrow ? width : left, narrow && matrix ? height - matrix.height : height * (1 - share), gap, weight, output);
  const inputElement = inputPane(context, roomOf(input, cell)).element;
  const weightElement = weightPane(context, roomOf(weight, below)).element;
  const outputElement = outputPane(context, roomOf(output, below)).element;
  if (across) {
    stage.append(inputElement, weightElement, outputElement);
    return;
  }
  const row = html("div", { class: "beside" }, weightElement, outputElement);
  if (!matrix) stage.append(inputElement, row);
  else {
    const columns = columnsPane(context, { ...matrix, largestCell: space.largestInMatrix }).element;
    if (narrow) stage.append(html("div", { class: "beside" }, inputElement, columns), row);
    else stage.append(html("div", { class: "stack" }, inputElement, row), columns);
  }
}

/** The im2col matrix's room: cells about square where there are few, at most half of the width. */
function columnsRoom(space: Space, k: number, n: number): Room {
  const { width, height, heading, gap, narrow } = space;
  const beside = width - gap - 1.5 * heading - k * NUMBERED; // where the row of weights has its numbers
  const most = narrow ? 0.55 * width : Math.min(0.5 * width, Math.max(beside, n * NUMBERED));
  const down = clamp((height - heading - gap / 2) / k, 0, Math.min(space.largestInMatrix, (most / n) * 1.1));
  const across = clamp(down * 1.2, NUMBERED, space.largestInMatrix);
  const few = n * NUMBERED <= most;
  return { width: Math.min(n * across, most), height: few ? down * k : height - heading - gap / 2 };
}

/** Weight matrix × im2col matrix = output matrix, below the pictures of input and output. */
function product(context: Context, space: Space): void {
  const { stage, scene } = context;
  const { width, height, narrow, heading, gap } = space;
  const { m, n, k } = gemm(scene.problem);
  const { input, output } = planesOf(context);
  const beside = narrow ? null : columnsRoom(space, k, n);
  const left = beside ? width - beside.width - gap : width;
  const matrixRoom = (columns: number): Room => {
    const across = Math.min((left - 1.5 * heading) / columns, space.largestInMatrix);
    const down = clamp(across, NUMBERED, narrow ? 24 : 40);
    return { width: columns * across, height: m * down, largestCell: space.largestInMatrix };
  };
  const [weightRoom, outputRoom] = [matrixRoom(k), matrixRoom(n)];
  const rest = height - weightRoom.height - outputRoom.height - 3 * heading - (narrow ? 2.5 : 1.5) * gap;
  const beneath = (rest - heading - gap / 2) / (input.rows + output.rows); // height of a cell with the output's picture below the input's
  const inColumn = cellOf(space, left, beneath * input.rows, gap, input);
  const inRow = cellOf(space, left, rest, 2 * gap, input, output);
  const cell = narrow ? cellOf(space, width, rest * 0.46, gap, input) : Math.max(inColumn, inRow);
  const inputElement = inputPane(context, roomOf(input, cell)).element;
  const weightRow = html("div", { class: "factor" }, weightPane(context, weightRoom, true).element, operator("×"));
  const outputRow = html("div", { class: "factor" }, operator("="), outputPane(context, outputRoom, true).element);
  const columns = columnsPane(context, { ...(beside ?? { width, height: rest - roomOf(input, cell).height - heading }), largestCell: space.largestInMatrix }).element;
  if (narrow) {
    stage.append(inputElement, weightRow, columns, outputRow); // the output's picture has no room
    return;
  }
  const row = html("div", { class: inColumn > inRow ? "stack" : "beside" }, inputElement, outputPane(context, roomOf(output, cell)).element);
  stage.append(html("div", { class: "stack" }, row, weightRow, outputRow), columns);
}

const operator = (sign: string): HTMLElement => html("span", { class: "operator" }, sign);
