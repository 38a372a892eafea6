// The text below the panes: the terms that an output contributes, or those that a pixel or a weight sums.

import { html } from "../../drawing/dom";
import { factors, grouped, short } from "../../drawing/numbers";
import type { Focus, OutputFocus } from "../../model/focus";
import { convolutionOf, filtersPerGroup, macs, readersOf, unravel } from "../../model/problem";
import type { Store } from "../../model/state";
import { sumOfProducts } from "../../numerics/convolution";
import type { Term } from "../../numerics/convolution";
import { weightGradientProblem } from "../../numerics/gradients";
import type { Scene } from "../../numerics/scene";
import { plural } from "../../panes/pane";
import { restTerm, runningSum, withIndices } from "../../panes/sentence";
import { computedBySentence } from "./computed_by";
import type { Gradients, GradientTerm } from "./gradients";

const MOST_TERMS = 9; // of a sum
const MOST_TARGETS = 3; // that an output contributes to

export function backwardSentence(scene: Scene, gradients: Gradients, focus: Focus, toWeights: boolean, store: Store): Node {
  const text = document.createDocumentFragment();
  if (focus.kind === "input") text.append(...ofPixel(scene, gradients, focus, store));
  else if (focus.kind === "weight") text.append(...ofWeight(scene, gradients, focus, store));
  else text.append(...ofOutput(scene, gradients, focus, toWeights, store));
  text.append(counted(scene, gradients, toWeights), computedBySentence(scene, toWeights ? "weight" : "input"));
  return text;
}

type PixelFocus = Extract<Focus, { kind: "input" }>;
type WeightFocus = Extract<Focus, { kind: "weight" }>;

function ofPixel(scene: Scene, gradients: Gradients, focus: PixelFocus, store: Store): Node[] {
  const name = withIndices("∂L/∂x", [focus.channel, focus.row, focus.column]);
  if (scene.isInsertedZero(focus.row, focus.column)) {
    return [html("p", { class: "facts" }, "A zero that the layer inserted between its pixels: its gradient is not used.")];
  }
  const gradientTerms = gradients.pixelTerms(focus);
  const [down, across] = [readersOf(scene.axes[0], focus.row).length, readersOf(scene.axes[1], focus.column).length];
  const filters = filtersPerGroup(scene.problem);
  const facts = gradientTerms.length
    ? `${plural(down * across, "window")} ${down * across === 1 ? "reads" : "read"} the pixel (${down} down × ${across} across)${filters > 1 ? `, each for ${filters} filters` : ""}. ` +
      "Each term is an output’s gradient times the weight that multiplied the pixel."
    : "No window reads this pixel, so its gradient is 0.";
  return [...summed(name, gradientTerms, focus, store), html("p", { class: "facts" }, facts)];
}

function ofWeight(scene: Scene, gradients: Gradients, focus: WeightFocus, store: Store): Node[] {
  const name = withIndices("∂L/∂w", [focus.filter, ...unravel(scene.problem, focus.k)]);
  const gradientTerms = gradients.weightTerms(focus);
  const { batch } = scene.problem;
  const uses = batch * scene.positions;
  const padded = uses - gradientTerms.length;
  const facts =
    `The weight is used ${plural(uses, "time")}${batch > 1 ? ` over ${batch} images` : ""}${padded ? `, ${padded} of them on padding, which adds nothing` : ""}. ` +
    "Each term is an output’s gradient times the pixel that the weight multiplied.";
  return [...summed(name, gradientTerms, focus, store), html("p", { class: "facts" }, facts)];
}

/** The sum of some terms written out in their order, and the running sum. */
function summed(name: Node, gradientTerms: readonly GradientTerm[], focus: Focus, store: Store): Node[] {
  const equation = html("p", { class: "equation" }, name, " = ");
  gradientTerms.slice(0, MOST_TERMS).forEach((share, place) => equation.append(place ? " + " : "", term(share, focus, store)));
  const rest = gradientTerms.slice(MOST_TERMS);
  if (rest.length) equation.append(...restTerm(sumOfProducts(rest), rest.length, "more product"));
  if (gradientTerms.length) equation.append(" = ");
  equation.append(html("strong", {}, short(sumOfProducts(gradientTerms), 5)));
  return gradientTerms.length ? [equation, runningSum(gradientTerms, null)] : [equation];
}

/** One product, which leads to the output that sent it. */
function term({ from, x, w }: GradientTerm, focus: Focus, store: Store): HTMLElement {
  const chosen = focus.kind === "output" && focus.tap === from.tap;
  const button = html("button", { type: "button", class: "term", "aria-pressed": String(chosen) }, factors(x, w));
  button.classList.add(x * w < 0 ? "negative" : x * w > 0 ? "positive" : "zero");
  button.addEventListener("click", () => store.set({ focus: chosen ? { ...from, tap: null } : from, pinned: true, playing: false }));
  return button;
}

function ofOutput(scene: Scene, gradients: Gradients, focus: OutputFocus, toWeights: boolean, store: Store): Node[] {
  const arrived = gradients.outputAt(focus.filter, focus.row, focus.column);
  const terms = scene.terms(focus.filter, focus.row, focus.column);
  const inside = terms.filter((each) => each.inside);
    const target = (each: Term): HTMLElement =>
    toWeights ? withIndices("∂L/∂w", [focus.filter, ...unravel(scene.problem, each.k)]) : withIndices("∂L/∂x", [each.channel, each.row, each.column]);

  const equation = html("p", { class: "equation" }, withIndices("∂L/∂y", [focus.filter, focus.row, focus.column]), " = ", html("strong", {}, short(arrived, 5)), " contributes ");
  inside.slice(0, MOST_TARGETS).forEach((each, place) => {
    const share = { from: { ...focus, tap: each.k }, image: 0, x: arrived, w: toWeights ? each.x : each.w, k: each.k };
    equation.append(place ? ", " : "", term(share, focus, store), " to ", target(each));
  });
  const more = inside.length - Math.min(inside.length, MOST_TARGETS);
  if (more > 0) equation.append(", ", html("span", { class: "rest" }, `and to ${more} more`));

  const bias = scene.problem.bias ? `The bias receives all of it: ∂L/∂b is ${short(gradients.biasGradient(focus.filter), 5)}, the sum over the filter’s outputs. ` : "";
  const facts = html("p", { class: "facts" });
  if (focus.tap !== null) facts.append(tapped(scene, gradients, focus, terms[focus.tap], toWeights));
  const padded = terms.length - inside.length;
  facts.append(
    toWeights
      ? `This output depends on every weight of filter ${focus.filter}; each receives the gradient times its pixel. ${bias}`
      : `This output depends on every pixel of its window; each receives the gradient times its weight${padded ? `; ${padded} of ${terms.length} are padding and receive none` : ""}. `,
  );
  return [equation, facts];
}

/** One product of an output: what it is to the sum that it is sent to. */
function tapped(scene: Scene, gradients: Gradients, focus: OutputFocus, { channel, row, column, inside, k }: Term, toWeights: boolean): Node {
  const span = html("span", { class: "tapped" });
  if (!inside) {
    span.append(`Product ${k} reads padding, ${toWeights ? "whose pixel is 0. " : "which has no gradient. "}`);
    return span;
  }
  const gradientTerms = toWeights ? gradients.weightTerms({ kind: "weight", filter: focus.filter, k }) : gradients.pixelTerms({ kind: "input", channel, row, column });
  const name = toWeights ? withIndices("∂L/∂w", [focus.filter, ...unravel(scene.problem, k)]) : withIndices("∂L/∂x", [channel, row, column]);
  const own = gradientTerms.find(({ from, image }) => image === 0 && from.filter === focus.filter && from.row === focus.row && from.column === focus.column && from.tap === k);
  if (own) span.append(`Product ${k}: `, name, ` receives ${factors(own.x, own.w)} = ${short(own.x * own.w)}, one of ${plural(gradientTerms.length, "term")} that add up to ${short(sumOfProducts(gradientTerms), 4)}. `);
  return span;
}

/** Multiply-adds of a gradient, both ways, beside the layer's own. */
function counted(scene: Scene, { gradientScene }: Gradients, toWeights: boolean): Node {
  const { problem } = scene;
  const convolution = macs(convolutionOf(toWeights ? weightGradientProblem(problem) : { ...gradientScene.original, batch: problem.batch }));
  const layer = macs(problem);
  const line = html("p", { class: "facts" }, `The gradient of the ${toWeights ? "weight" : "input"} takes `, html("strong", {}, `${grouped(layer)} multiply-adds`));
  line.append(convolution === layer ? " in both forms, as many as the layer." : ` as a matrix product, as many as the layer, and ${grouped(convolution)} as the convolution, zeros included.`);
  return line;
}
