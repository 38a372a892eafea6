// Backward: where the gradient of an output goes. To every pixel and every weight that made it, so that
// each of these is owed a sum over the outputs that used it. Both sums are convolutions again.

import { gradientsOf } from "../backward/gradients";
import type { Gradients } from "../backward/gradients";
import { mirrored } from "../backward/mirror";
import { backwardSentence } from "../backward/sentence";
import type { Context, Room } from "../context";
import { html } from "../dom";
import type { Grid } from "../grid";
import { weightGradient } from "../gradients";
import { block } from "../pane";
import type { Shown } from "../pane";
import { columnsPane } from "../panes/columns";
import { channelOf, inputPane } from "../panes/input";
import { outputPane } from "../panes/output";
import { firstFilter, weightPane } from "../panes/weight";
import { channelsPerGroup, convolutionOf, gemm } from "../problem";
import type { Problem } from "../problem";
import { format } from "../shorthand";
import { inSlices } from "../slices";
import type { Focus } from "../state";
import { chosenIn } from "./mode";
import type { Mode } from "./mode";
import { arrange, redrawForOthers } from "./window";
import type { Four } from "./window";

export const backward: Mode = {
  name: "backward",
  label: "Backward",
  about: "An output’s gradient goes to every pixel and every weight that made it; each adds up what it is sent.",
  choices: [
    { name: "input", label: "to the pixels", about: "the gradient of the input: a convolution of the output’s gradient with the filters turned around" },
    { name: "weight", label: "to the weights", about: "the gradient of the weight: the input’s windows times the output’s gradient, added up" },
  ],
  render(context) {
    const numbers: (() => void)[] = [];
    const own: Context = { ...context, onNumbers: (listener) => numbers.push(listener) };
    const gradients = gradientsOf(context.scene);
    const { drawn, work } = context.choice === "weight" ? toWeights(own, gradients) : toPixels(own, gradients);
    return inSlices(forMilliseconds(work), () => {
      for (const grid of drawn) grid.repaint();
      for (const listener of numbers) listener();
    });
  },
  sentence: (scene, state, store) => backwardSentence(scene, gradientsOf(scene), state.focus, chosenIn(backward, state.choice) === "weight", store),
};

interface Drawn {
  readonly drawn: readonly Grid[]; // whose numbers become known little by little
  readonly work: Generator<void>;
}

function toPixels(context: Context, gradients: Gradients): Drawn {
  const { scene, stage } = context;
  const { mirror } = gradients;
  const there = mirrored(context, mirror);
  const apart = Math.max(...scene.problem.stride) > 1;
  stage.append(formula(["∂L/∂x", apart ? "∂L/∂y with zeros between" : "∂L/∂y", "∗", "w turned around"], "fold(Wᵀ · ∂L/∂y)", { ...mirror.problem, batch: scene.problem.batch }));
  const drawn: Grid[] = [];
  arrange(context, (each: Room): Four => {
    const arriving = inputPane(there, each, {
      title: "Gradient of the output",
      symbol: apart ? "stuffed" : "∂L/∂y",
      planes: "f",
      scale: gradients.outputScale,
      value: (filter, row, column) => mirror.pixel(filter, row, column),
    });
    const turned = weightPane(there, each, false, undefined, {
      title: "Filters, turned",
      symbol: "flipped",
      planes: "cf",
      scale: mirror.weightScale,
      value: (channel, k) => mirror.weightAt(channel, k),
    });
    const sent = inputPane(context, each, {
      title: "Gradient of the input",
      symbol: "∂L/∂x",
      planes: "c",
      get scale() {
        return mirror.outputScale;
      },
      value: (channel, row, column) => (scene.inserted(row, column) ? NaN : mirror.outputAt(channel, row, column)),
    });
    drawn.push(sent.grid);
    return [arriving.element, copies(context, gradients, each, drawn), turned.element, sent.element];
  });
  redrawForOthers(context);
  redrawForOthers(there);
  return { drawn, work: gradients.inputWork() };
}

/** Wᵀ · g: for every copy of a pixel in the im2col matrix what its window owes it. */
function copies(context: Context, gradients: Gradients, room: Room, drawn: Grid[]): HTMLElement {
  const title = "Gradient of the columns";
  if (!gradients.keepsColumns) {
    const { groups, k } = gemm(context.scene.problem);
    const heading = html("h2", {}, title, html("span", { class: "shape" }, `[${groups * k}, ${context.scene.positions}]`));
    return html("section", { class: "pane pane-columns" }, heading, html("p", { class: "note" }, "Too large to keep in this page. Choose a smaller input, or fewer channels, to see it."));
  }
  const made = columnsPane(context, room, undefined, undefined, {
    title,
    symbol: "∂L/∂x",
    planes: "",
    get scale() {
      return gradients.columnsScale;
    },
    value: (group, row, position) => gradients.columnsAt(group, row, position),
  });
  drawn.push(made.grid);
  return made.element;
}

function toWeights(context: Context, gradients: Gradients): Drawn {
  const { scene, stage, store } = context;
  const { problem } = scene;
  stage.append(formula(["∂L/∂w", "x", "⋆", "∂L/∂y"], "∂L/∂y · columnsᵀ", weightGradient(problem)));
  const drawn: Grid[] = [];
  const arriving: Shown<[filter: number, row: number, column: number]> = {
    title: "Gradient of the output",
    symbol: "∂L/∂y",
    planes: "f",
    scale: gradients.outputScale,
    value: (filter, row, column) => gradients.outputAt(filter, row, column),
  };
  const sent: Shown<[filter: number, k: number]> = {
    title: "Gradient of the weight",
    symbol: "∂L/∂w",
    planes: "fc",
    get scale() {
      return gradients.weightScale;
    },
    value: (filter, k) => gradients.weightAt(filter, k),
  };
  arrange(context, (each: Room): Four => {
    const weight = weightPane(context, each, false, undefined, sent);
    drawn.push(weight.grid);
    return [inputPane(context, each).element, columnsPane(context, each).element, outputPane(context, each, false, undefined, arriving).element, weight.element];
  });
  redrawForOthers(context);
  const { focus } = store.get();
  const perGroup = channelsPerGroup(problem);
  const filters = block(problem.outChannels, filterOf(context, focus));
  return { drawn, work: gradients.weightWork(filters, block(perGroup, channelOf(scene, focus) % perGroup)) };
}

const filterOf = ({ scene }: Context, focus: Focus): number => (focus.kind === "input" ? firstFilter(scene, focus.channel) : focus.filter);

/** The gradient as a convolution and as a matrix product, and the first as a problem of its own. */
function formula([made, left, by, right]: readonly string[], product: string, problem: Problem): HTMLElement {
  const equation = html("span", {}, html("i", {}, made), " = ", html("i", {}, left), html("span", { class: "operator" }, by), html("i", {}, right), " = ", html("i", {}, product));
  return html("p", { class: "formula" }, equation, html("span", { class: "aside" }, "the convolution ", html("code", {}, written(problem))));
}

/** As Python writes it: padding that is negative cuts the result instead. */
function written(problem: Problem): string {
  const plain = convolutionOf(problem);
  const sides = plain.padding.map(([before, after]) => [Math.max(0, before), Math.max(0, after)] as const);
  return format({ ...plain, padding: [sides[0], sides[1]] });
}

/** Goes through pieces of work until the milliseconds have passed; whether there are more of them. */
function forMilliseconds(work: Generator<void>): (milliseconds: number) => boolean {
  return (milliseconds) => {
    const until = performance.now() + milliseconds;
    while (!work.next().done) if (performance.now() > until) return true;
    return false;
  };
}
