// Backward: an output's gradient flows to every pixel and weight that it was computed from, so the gradient of
// a pixel or a weight is a sum over the outputs that used it. Both sums are convolutions again.

import { html } from "../../drawing/dom";
import type { Grid } from "../../drawing/grid";
import { runInSlices } from "../../drawing/time_slices";
import { channelOf, filterOf } from "../../model/focus";
import { channelsPerGroup, convolutionOf, gemm } from "../../model/problem";
import type { Problem } from "../../model/problem";
import { format } from "../../model/shorthand";
import { weightGradientProblem } from "../../numerics/gradients";
import { arrangeFour, redrawOnOtherBlock } from "../../panes/arrangement";
import type { Four } from "../../panes/arrangement";
import { columnsPane } from "../../panes/columns";
import type { Context, Room } from "../../panes/context";
import { inputPane } from "../../panes/input";
import { outputPane } from "../../panes/output";
import { block, CHANNEL, FILTER } from "../../panes/pane";
import type { PaneContent } from "../../panes/pane";
import { weightPane } from "../../panes/weight";
import { chosenName } from "../mode";
import type { Mode } from "../mode";
import { computedByWords } from "./computed_by";
import { gradientContext } from "./gradient_focus";
import { gradientsOf } from "./gradients";
import type { Gradients } from "./gradients";
import { backwardSentence } from "./sentence";

const FORMULA = 24; // pixels that the line above the panes takes from each of their two rows

export const backward: Mode = {
  name: "backward",
  label: "Backward",
  about: "An output’s gradient flows to every pixel and weight that it was computed from; each of these sums what it receives.",
  captions: {
    "Gradient of the output": "What the next layer sends back: how much the loss changes with each output.",
    "Filters, flipped": "The weights in reverse order: with them the gradient of the input is a convolution too.",
    "Gradient of the columns": "The flipped filters times the gradient of the output: one number for every copy of a pixel.",
    "Gradient of the input": "Each pixel’s gradient: the sum over all its copies.",
    Input: "What the layer read in the forward pass.",
    "Input with inserted zeros": "What the layer read in the forward pass, with the zeros that a transposed convolution inserts.",
    "im2col matrix": "The windows of the input, one column for each output: each column is multiplied by that output’s gradient.",
    "Gradient of the weight": "Each weight’s gradient: the sum of the pixels that it multiplied, each times the gradient of its output.",
  },
  choices: [
    { name: "input", label: "input gradient", about: "the gradient of the input: a convolution of the output’s gradient with the flipped filters" },
    { name: "weight", label: "weight gradient", about: "the gradient of the weight: the sum of the input’s windows times the output’s gradient" },
  ],
  render(context) {
    const numbers: (() => void)[] = [];
    const room = { ...context.room, height: context.room.height - FORMULA };
    const own: Context = { ...context, room, onNumbers: (listener) => numbers.push(listener) };
    const gradients = gradientsOf(context.scene);
    const pieces = context.choice === "weight" ? toWeights(own, gradients) : toPixels(own, gradients);
    const changed = new Set<Grid>();
    return runInSlices(
      (milliseconds) => workUntil(pieces, changed, performance.now() + milliseconds),
      () => {
        for (const grid of changed) grid.repaint();
        changed.clear();
        for (const listener of numbers) listener();
      },
    );
  },
  sentence: (scene, state, store) => backwardSentence(scene, gradientsOf(scene), state.focus, chosenName(backward, state.choice) === "weight", store),
};

/** Work that is done in steps, and the grid that shows its result. */
interface Piece {
  readonly work: Generator<void>;
  readonly grid: Grid;
}

/** Works on the pieces in turn until a time; returns whether there is more to do. */
function workUntil(pieces: Piece[], changed: Set<Grid>, until: number): boolean {
  for (let [piece] = pieces; piece; [piece] = pieces) {
    changed.add(piece.grid);
    while (!piece.work.next().done) if (performance.now() > until) return true;
    pieces.shift();
  }
  return false;
}

function toPixels(context: Context, gradients: Gradients): Piece[] {
  const { scene, stage } = context;
  const { gradientScene } = gradients;
  const gradientPanes = gradientContext(context, gradientScene);
  const apart = Math.max(...scene.problem.stride) > 1;
  stage.append(formula(["∂L/∂x", apart ? "∂L/∂y with inserted zeros" : "∂L/∂y", "∗", "w flipped"], "fold(Wᵀ · ∂L/∂y)", { ...gradientScene.problem, batch: scene.problem.batch }, computedByWords(scene, "input")));
  const pieces: Piece[] = [];
  arrangeFour(context, (size: Room): Four => {
    const gradOutput = inputPane(gradientPanes, size, {
      title: "Gradient of the output",
      symbol: apart ? "zero_inserted" : "∂L/∂y",
      planes: [FILTER],
      padded: true,
      scale: gradients.outputScale,
      value: (filter, row, column) => gradientScene.pixel(filter, row, column),
    });
    const flipped = weightPane(gradientPanes, size, false, undefined, {
      title: "Filters, flipped",
      symbol: "flipped",
      planes: [CHANNEL, FILTER],
      scale: gradientScene.weightScale,
      value: (channel, k) => gradientScene.weightAt(channel, k),
    });
    const gradient = inputPane(context, size, {
      title: "Gradient of the input",
      symbol: "∂L/∂x",
      planes: [CHANNEL],
      padded: false,
      get scale() {
        return gradientScene.outputScale;
      },
      value: (channel, row, column) => (scene.isInsertedZero(row, column) ? NaN : gradientScene.outputAt(channel, row, column)),
    });
    pieces.push({ work: gradients.inputWork(), grid: gradient.grid });
    return [gradOutput.element, copies(context, gradients, size, pieces), flipped.element, gradient.element];
  });
  redrawOnOtherBlock(context);
  redrawOnOtherBlock(gradientPanes);
  return pieces;
}

/** Wᵀ · g: the gradient of the im2col matrix. */
function copies(context: Context, gradients: Gradients, room: Room, pieces: Piece[]): HTMLElement {
  const title = "Gradient of the columns";
  if (!gradients.keepsColumns) {
    const { groups, k } = gemm(context.scene.problem);
    const heading = html("h2", {}, title, html("span", { class: "shape" }, `[${groups * k}, ${context.scene.positions}]`));
    return html("section", { class: "pane pane-columns" }, heading, html("p", { class: "note" }, "Too large to keep in this page. Choose a smaller input, or fewer channels, to see it."));
  }
  const drawnPane = columnsPane(context, room, undefined, undefined, {
    title,
    symbol: "∂L/∂x",
    planes: [],
    get scale() {
      return gradients.columnsScale;
    },
    value: (group, row, position) => gradients.columnsAt(group, row, position),
  });
  pieces.push({ work: gradients.columnsWork(), grid: drawnPane.grid });
  return drawnPane.element;
}

function toWeights(context: Context, gradients: Gradients): Piece[] {
  const { scene, stage, store } = context;
  const { problem } = scene;
  stage.append(formula(["∂L/∂w", "x", "⋆", "∂L/∂y"], "∂L/∂y · columnsᵀ", weightGradientProblem(problem), computedByWords(scene, "weight")));
  const pieces: Piece[] = [];
  const gradOutput: PaneContent<[filter: number, row: number, column: number]> = {
    title: "Gradient of the output",
    symbol: "∂L/∂y",
    planes: [FILTER],
    scale: gradients.outputScale,
    value: (filter, row, column) => gradients.outputAt(filter, row, column),
  };
  const gradient: PaneContent<[filter: number, k: number]> = {
    title: "Gradient of the weight",
    symbol: "∂L/∂w",
    planes: [FILTER, CHANNEL],
    get scale() {
      return gradients.weightScale;
    },
    value: (filter, k) => gradients.weightAt(filter, k),
  };
  const { focus } = store.get();
  const perGroup = channelsPerGroup(problem);
  const filters = block(problem.outChannels, filterOf(scene.problem, focus));
  const channels = block(perGroup, channelOf(scene.problem, focus) % perGroup);
  arrangeFour(context, (size: Room): Four => {
    const weight = weightPane(context, size, false, undefined, gradient);
    pieces.push({ work: gradients.weightWork(filters, channels), grid: weight.grid });
    return [inputPane(context, size).element, columnsPane(context, size).element, outputPane(context, size, false, undefined, gradOutput).element, weight.element];
  });
  redrawOnOtherBlock(context);
  return pieces;
}

/** The gradient as a convolution and as a matrix product, and the first as a problem of its own. */
function formula([drawnPane, left, by, right]: readonly string[], product: string, problem: Problem, computedBy: string): HTMLElement {
  const equation = html("span", {}, html("i", {}, drawnPane), " = ", html("i", {}, left), html("span", { class: "operator" }, by), html("i", {}, right), " = ", html("i", {}, product));
  const convolution = html("span", { class: "aside" }, "the convolution ", html("code", {}, written(problem)));
  const computed = computedBy ? [html("span", { class: "aside" }, computedBy)] : [];
  return html("p", { class: "formula" }, equation, convolution, ...computed);
}

/** As Python writes it: padding that is negative cuts the result instead. */
function written(problem: Problem): string {
  const plain = convolutionOf(problem);
  const sides = plain.padding.map(([before, after]) => [Math.max(0, before), Math.max(0, after)] as const);
  return format({ ...plain, padding: [sides[0], sides[1]] });
}
