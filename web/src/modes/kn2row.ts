// kn2row: no im2col matrix. Each tap is a 1 × 1 convolution of the whole input; their results, shifted by the
// tap's offset, add up to the output.

import { html } from "../drawing/dom";
import type { Mark } from "../drawing/grid_spec";
import { bracketed, bytesOf, grouped, short } from "../drawing/numbers";
import { DTYPES } from "../model/constants";
import { outputAt, outputOf } from "../model/focus";
import type { Focus, OutputFocus } from "../model/focus";
import { bytes, channelsPerGroup, count, gemm, macs, tapCount } from "../model/problem";
import type { Axis } from "../model/problem";
import type { Numbers } from "../model/tensors";
import { inputPosition, shiftAndAdd, tapConvolutions } from "../numerics/algorithms/kn2row";
import { largestMagnitude } from "../numerics/arrays";
import type { Scene } from "../numerics/scene";
import type { Context } from "../panes/context";
import { inputPane } from "../panes/input";
import { block, blockNote, pane, plural } from "../panes/pane";
import { biasTerm, restTerm, withIndices } from "../panes/sentence";
import { weightPane } from "../panes/weight";
import { noCleanup } from "./mode";
import type { Mode } from "./mode";

const GAP = 40;
const MOST_TERMS = 9;

export const kn2row: Mode = {
  name: "kn2row",
  label: "kn2row",
  about: "No im2col matrix: a 1 × 1 convolution for each tap, whose results are shifted and added.",
  captions: {
    input: "What the layer reads; each tap multiplies the whole of it.",
    weight: "The filters; each of their taps is a 1 × 1 convolution of its own.",
    "tap-convolutions": "The input times the weights of one tap, an image for each tap.",
    sums: "These images, each shifted by its tap’s position and added; the outlined part is the output.",
  },
  render(context) {
    const { stage, room } = context;
    const narrow = room.width < 620;
    const left = narrow ? room.width : Math.round(room.width * 0.34);
    const right = narrow ? room.width : room.width - left - GAP;
    stage.style.gridTemplateColumns = narrow ? "minmax(0, 1fr)" : `${left}px minmax(0, 0.64fr) minmax(0, 0.36fr)`;
    const input = inputPane(context, { width: left, height: room.height }).element;
    const weight = weightPane(context, { width: left, height: room.height }).element;
    const convolutions = tapConvolutionsPane(context, narrow ? { width: right, height: room.height * 1.6 } : { width: right * 0.64, height: room.height * 2 });
    const sums = sumsPane(context, narrow ? { width: right, height: room.height * 0.4 } : { width: right * 0.36 - GAP, height: room.height });
    if (narrow) stage.append(input, weight, convolutions, sums);
    else stage.append(html("div", { class: "stack" }, input, weight), convolutions, sums);
    return noCleanup;
  },
  sentence: (scene, { focus }) => (focus.kind === "output" ? ofOutput(scene, focus) : null),
};

/** The 1 × 1 convolution of each tap, for one filter. */
interface TapConvolutions {
  readonly values: Numbers; // [taps, height, width]
  readonly scale: number;
}

const cache = new WeakMap<Scene, Map<number, TapConvolutions>>();

function tapConvolutionsOf(scene: Scene, filter: number): TapConvolutions {
  const byFilter = cache.get(scene) ?? new Map<number, TapConvolutions>();
  cache.set(scene, byFilter);
  const cached = byFilter.get(filter);
  if (cached) return cached;
  const values = tapConvolutions(scene.problem, scene.operands, filter);
  const computed = { values, scale: largestMagnitude(values) };
  byFilter.set(filter, computed);
  return computed;
}

/** The filter and the tap that a focus is on; without a product all taps are meant. */
function filterAndTap(scene: Scene, focus: Focus): { filter: number; tap: number | null } {
  const k = focus.kind === "weight" ? focus.k : focus.kind === "output" ? focus.tap : null;
  return { filter: outputOf(focus).filter, tap: k === null ? null : k % tapCount(scene.problem) };
}

function tapConvolutionsPane(context: Context, room: { width: number; height: number }): HTMLElement {
  const { scene, store } = context;
  const { problem } = scene;
  const [height, width] = scene.axes;
  const taps = tapCount(problem);
  let { filter } = filterAndTap(scene, store.get().focus);
  const drawn = block(taps, filterAndTap(scene, store.get().focus).tap ?? 0);
  const pixels = height.inputSize * width.inputSize;
  const valueAt = (plane: number, row: number, column: number): number =>
    tapConvolutionsOf(scene, filter).values[(drawn.start + plane) * pixels + row * width.inputSize + column];
  const at = (tap: number): string => `${Math.floor(tap / width.kernelSize)}, ${tap % width.kernelSize}`;
  const { element, grid } = pane(
    context,
    {
      name: "tap-convolutions",
      title: "1 × 1 convolution of each tap",
      shape: `[${taps}, ${height.inputSize}, ${width.inputSize}]`,
      notes: blockNote("taps", taps, drawn),
      grid: {
        label: `1 × 1 convolutions, ${plural(taps, "tap")} of ${height.inputSize} by ${width.inputSize}`,
        planes: drawn.end - drawn.start,
        rows: height.inputSize,
        columns: width.inputSize,
        ...(taps <= 64 ? { across: width.kernelSize } : {}),
        labelled: true,
        planeLabel: (plane) => `tap ${at(drawn.start + plane)}`,
        get scale() {
          return tapConvolutionsOf(scene, filter).scale;
        },
        value: valueAt,
        kind: (plane, row, column) => (outputUsing(scene, drawn.start + plane, row, column) ? "value" : "unread"),
        describe: ({ plane, row, column }) => `tap ${at(drawn.start + plane)} of pixel ${row}, ${column}: ${short(valueAt(plane, row, column), 4)}`,
      },
      marks: (focus) =>
        tapConvolutionMarks(scene, focus)
          .map((mark) => ({ ...mark, plane: mark.plane - drawn.start }))
          .filter(({ plane }) => plane >= 0 && plane < drawn.end - drawn.start),
      focusOf: ({ plane, row, column }) => {
        const output = outputUsing(scene, drawn.start + plane, row, column);
        return output && outputAt(filter, ...output, drawn.start + plane);
      },
      alternative: (focus) => {
        const { tap } = filterAndTap(scene, focus);
        return `${plural(taps, "1 × 1 convolution")}, one for each tap of filter ${filter}${tap === null ? "" : `; tap ${at(tap)} is in focus`}.`;
      },
    },
    room,
  );
  context.onState(({ focus }) => {
    const now = filterAndTap(scene, focus);
    if ((now.tap ?? drawn.start) < drawn.start || (now.tap ?? drawn.start) >= drawn.end) context.redraw();
    else if (now.filter !== filter) {
      filter = now.filter;
      grid.repaint();
    }
  });
  return element;
}

/** The sum of all taps' convolutions, or of those up to the tap in focus. */
function sumsPane(context: Context, room: { width: number; height: number }): HTMLElement {
  const { scene, store } = context;
  const { problem } = scene;
  const [height, width] = scene.axes;
  const taps = tapCount(problem);
  let now = filterAndTap(scene, store.get().focus);
  let sums = sumsOf(scene, now);
  const title = html("span", {});
  const { element, grid } = pane(
    context,
    {
      name: "sums",
      title: "",
      shape: `[${height.outputSize}, ${width.outputSize}]`,
      notes: [],
      grid: {
        label: `Sums, ${height.outputSize} by ${width.outputSize}`,
        planes: 1,
        rows: height.outputSize,
        columns: width.outputSize,
        get scale() {
          return scene.outputScale;
        },
        value: (_, row, column) => sums[row * width.outputSize + column],
        describe: ({ row, column }) => `${row}, ${column}: ${short(sums[row * width.outputSize + column], 4)}`,
      },
      marks: (focus) => (focus.kind === "output" ? [{ role: "window", plane: 0, row: focus.row, column: focus.column }] : []),
      focusOf: ({ row, column }) => outputAt(now.filter, row, column, outputOf(store.get().focus).tap),
      alternative: (focus) => {
        const { row, column } = outputOf(focus);
        return `At row ${row}, column ${column} the sum is ${short(sums[row * width.outputSize + column])}.`;
      },
    },
    room,
  );
  element.querySelector("h2")?.prepend(title);
  context.onState(({ focus }) => {
    const next = filterAndTap(scene, focus);
    if (next.filter !== now.filter || next.tap !== now.tap || !title.textContent) {
      now = next;
      sums = sumsOf(scene, now);
      grid.repaint();
      const some = now.tap === null || now.tap === taps - 1 ? `all ${taps}` : `${now.tap + 1} of ${taps}`;
      title.textContent = `Shifted and added: ${some}${problem.bias ? ", and the bias" : ""}`;
    }
  });
  return element;
}

function sumsOf(scene: Scene, { filter, tap }: { filter: number; tap: number | null }): Float64Array {
  const { problem, operands } = scene;
  const bias = operands.bias?.[filter] ?? 0;
  const sums = shiftAndAdd(problem, tapConvolutionsOf(scene, filter).values, tap === null ? tapCount(problem) : tap + 1);
  return Float64Array.from(sums, (sum) => sum + bias);
}

/** The output that uses a pixel of a tap's convolution; null where none does. */
function outputUsing(scene: Scene, tap: number, row: number, column: number): [row: number, column: number] | null {
  const [height, width] = scene.axes;
  const down = outputReading(height, row, Math.floor(tap / width.kernelSize));
  const across = outputReading(width, column, tap % width.kernelSize);
  return down === null || across === null ? null : [down, across];
}

function outputReading(axis: Axis, position: number, tap: number): number | null {
  const from = position + axis.padding[0] - tap * axis.dilation;
  const output = from / axis.stride;
  return Number.isInteger(output) && output >= 0 && output < axis.outputSize ? output : null;
}

/** The pixels whose convolutions an output sums; with a tap in focus also the part of its convolution that is used. */
function tapConvolutionMarks(scene: Scene, focus: Focus): Mark[] {
  const [height, width] = scene.axes;
  const { tap: chosen } = filterAndTap(scene, focus);
  const marks: Mark[] = [];
  if (chosen !== null) {
    const [down, across] = [usedRange(height, Math.floor(chosen / width.kernelSize)), usedRange(width, chosen % width.kernelSize)];
    if (down && across) marks.push({ role: "read", plane: chosen, row: down.start, rows: down.length, column: across.start, columns: across.length });
  }
  if (focus.kind === "input") {
    for (let tap = 0; tap < tapCount(scene.problem); tap++) {
      if (outputUsing(scene, tap, focus.row, focus.column)) marks.push({ role: "use", plane: tap, row: focus.row, column: focus.column });
    }
  }
  if (focus.kind !== "output") return marks;
  for (let tap = 0; tap < tapCount(scene.problem); tap++) {
    const row = inputPosition(height, focus.row, Math.floor(tap / width.kernelSize));
    const column = inputPosition(width, focus.column, tap % width.kernelSize);
    if (row !== null && column !== null) marks.push({ role: tap === chosen ? "tap" : "window", plane: tap, row, column });
  }
  return marks;
}

/** The span of pixels along an axis that a tap gives to outputs. */
function usedRange(axis: Axis, tap: number): { start: number; length: number } | null {
  const read = Array.from({ length: axis.outputSize }, (_, output) => inputPosition(axis, output, tap)).filter((at) => at !== null);
  return read.length ? { start: read[0], length: read[read.length - 1] - read[0] + 1 } : null;
}

function ofOutput(scene: Scene, focus: OutputFocus): Node {
  const { problem } = scene;
  const [height, width] = scene.axes;
  const taps = tapCount(problem);
  const { values } = tapConvolutionsOf(scene, focus.filter);
  const terms: { tap: number; value: number; row: number; column: number }[] = [];
  for (let tap = 0; tap < taps; tap++) {
    const row = inputPosition(height, focus.row, Math.floor(tap / width.kernelSize));
    const column = inputPosition(width, focus.column, tap % width.kernelSize);
    if (row !== null && column !== null) terms.push({ tap, row, column, value: values[(tap * height.inputSize + row) * width.inputSize + column] });
  }
  const equation = html("p", { class: "equation" });
  equation.append(withIndices("y", [focus.filter, focus.row, focus.column]), " = ");
  const chosen = focus.tap === null ? null : focus.tap % taps;
  terms.slice(0, MOST_TERMS).forEach(({ tap, value, row, column }, place) => {
    const title = `tap ${Math.floor(tap / width.kernelSize)}, ${tap % width.kernelSize} at pixel ${row}, ${column}`;
    const term = html("span", { class: `term ${value < 0 ? "negative" : "positive"}${tap === chosen ? " chosen" : ""}`, title }, bracketed(value));
    equation.append(place ? " + " : "", term);
  });
  const rest = terms.slice(MOST_TERMS);
  if (rest.length) equation.append(...restTerm(rest.reduce((sum, { value }) => sum + value, 0), rest.length, "more tap"));
  const bias = scene.operands.bias?.[focus.filter];
  if (bias !== undefined) equation.append(...biasTerm(bias));
  const sum = terms.reduce((total, { value }) => total + value, bias ?? 0);
  equation.append(" = ", html("strong", {}, short(sum, 5)));

  const { groups, m } = gemm(problem);
  const mixing = groups * m * channelsPerGroup(problem) * taps * count(problem.inputSize);
  const once = macs(problem) / problem.batch;
  const moved = bytes(problem);
  const element = DTYPES[problem.dtype].bytes;
  const facts =
    `${plural(terms.length, "term")}, one for each tap that reads a pixel and not padding. ` +
    `The 1 × 1 convolutions take ${grouped(mixing)} multiplications, ${short(mixing / once)} × the definition’s: they multiply every pixel, used or not. ` +
    `Their results take ${bytesOf(groups * m * taps * count(problem.inputSize) * element)}; the im2col matrix would take ${bytesOf(moved.columns / problem.batch)}.`;
  const all = document.createDocumentFragment();
  all.append(equation, html("p", { class: "facts" }, facts));
  return all;
}
