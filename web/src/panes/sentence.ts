// The text below the panes. For an output: its sum written out with numbers, the largest terms first, and
// its running sum. For a pixel or a weight: where it is used.

import { html, svg } from "../drawing/dom";
import { scientific, short } from "../drawing/numbers";
import type { Focus, OutputFocus } from "../model/focus";
import { filtersPerGroup, readersOf, unravel } from "../model/problem";
import type { Store } from "../model/state";
import type { Term } from "../numerics/convolution";
import type { Scene } from "../numerics/scene";
import { plural } from "./pane";

const MOST_TERMS = 6;
const SUM_WIDTH = 960;
const SUM_HEIGHT = 72;

export function sentence(scene: Scene, focus: Focus, store: Store): Node {
  if (focus.kind === "input") return ofPixel(scene, focus);
  if (focus.kind === "weight") return ofWeight(scene, focus);
  return ofOutput(scene, focus, store);
}

function ofOutput(scene: Scene, focus: OutputFocus, store: Store): Node {
  const { bias } = scene.operands;
  const terms = scene.terms(focus.filter, focus.row, focus.column);
  const largestFirst = [...terms].sort((one, other) => Math.abs(other.x * other.w) - Math.abs(one.x * one.w));
  const start = bias ? bias[focus.filter] : 0;
  const exact = terms.reduce((sum, term) => sum + term.x * term.w, start);
  const value = scene.problem.dtype === "float32" ? Math.fround(exact) : exact;

  const equation = html("p", { class: "equation" });
  equation.append(withIndices("y", [focus.filter, focus.row, focus.column]), " = ");
  const shown = largestFirst.slice(0, MOST_TERMS);
  shown.forEach((term, place) => {
    if (place) equation.append(" + ");
    equation.append(product(term, focus, store));
  });
  const rest = largestFirst.slice(MOST_TERMS);
  if (rest.length) {
    const sum = rest.reduce((total, { x, w }) => total + x * w, 0);
    equation.append(" + ", html("span", { class: "rest" }, `${rest.length} more, ${short(sum)}`));
  }
  if (bias) equation.append(" + ", html("span", { class: "bias", title: "bias" }, short(start)));
  equation.append(" = ", html("strong", {}, short(value, 5)));

  const padded = terms.filter(({ inside }) => !inside).length;
  const facts = html("p", { class: "facts" });
  facts.append(`${plural(terms.length, "product")}${padded ? `, ${padded} of them with padding` : ""}, summed in float64 and rounded once. `, compared(scene, focus, value));
  const { tap } = focus;
  if (tap !== null) facts.prepend(tapped(scene, terms[tap], focus));
  return fragment(equation, runningSum(largestFirst, start, tap), facts);
}

function product(term: Term, focus: OutputFocus, store: Store): HTMLElement {
  const chosen = term.k === focus.tap;
  const text = `${short(term.x)} · ${short(term.w)}`;
  const button = html("button", { type: "button", class: "term", "aria-pressed": String(chosen) }, text);
  button.classList.add(term.x * term.w < 0 ? "negative" : "positive");
  button.addEventListener("click", () => store.set({ focus: { ...focus, tap: chosen ? null : term.k }, pinned: true, playing: false }));
  return button;
}

function tapped(scene: Scene, term: Term, focus: OutputFocus): Node {
  const place = term.inside ? withIndices("x", [term.channel, term.row, term.column]) : "padding";
  const weight = withIndices("w", [focus.filter, ...unravel(scene.problem, term.k)]);
  const value = ` = ${short(term.x)} · ${short(term.w)} = ${short(term.x * term.w)}. `;
  return html("span", { class: "tapped" }, `Product ${term.k}: `, place, " · ", weight, value);
}

/** |Δ| against PyTorch's own value, where this page has it. */
function compared(scene: Scene, focus: OutputFocus, value: number): Node {
  const place = focus.filter * scene.positions + focus.row * scene.axes[1].outputSize + focus.column;
  if (!scene.pytorch) return html("span", {}, "|Δ| needs PyTorch’s output: run glassconv explore --serve.");
  const theirs = scene.pytorch[place];
  const difference = Math.abs(value - theirs);
  return html(
    "span",
    {},
    `PyTorch’s value is ${short(theirs, 5)}: `,
    html("strong", {}, `|Δ| = ${difference === 0 ? "0" : scientific(difference)}`),
    ".",
  );
}

/** The sum as it grows, one bar a product, the largest first: up is more, down is less. */
export function runningSum(terms: readonly Pick<Term, "k" | "x" | "w">[], start: number, tap: number | null): SVGSVGElement {
  let sum = start;
  const levels = [start, ...terms.map(({ x, w }) => (sum += x * w))];
  const [least, most] = [Math.min(0, ...levels), Math.max(0, ...levels)];
  const height = (value: number): number => SUM_HEIGHT - 4 - ((value - least) / (most - least || 1)) * (SUM_HEIGHT - 8);
  const step = SUM_WIDTH / terms.length;
  const bars = { positive: "", negative: "" };
  let chosen = "";
  let line = `M0 ${height(start).toFixed(1)}`;
  terms.forEach((term, place) => {
    const [from, to] = [height(levels[place]), height(levels[place + 1])];
    const x = place * step;
    const bar = `M${x.toFixed(2)} ${from.toFixed(1)}V${to.toFixed(1)}h${(step * 0.86).toFixed(2)}V${from.toFixed(1)}z`;
    bars[term.x * term.w < 0 ? "negative" : "positive"] += bar;
    if (term.k === tap) chosen = bar;
    line += `L${(x + step).toFixed(2)} ${to.toFixed(1)}`;
  });
  const label = `The running sum: from ${short(start)} over ${terms.length} products to ${short(sum)}.`;
  return svg(
    "svg",
    { class: "running-sum", viewBox: `0 0 ${SUM_WIDTH} ${SUM_HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("path", { class: "zero", d: `M0 ${height(0).toFixed(1)}H${SUM_WIDTH}` }),
    svg("path", { class: "positive", d: bars.positive }),
    svg("path", { class: "negative", d: bars.negative }),
    svg("path", { class: "chosen", d: chosen }),
    svg("path", { class: "sum", d: line }),
  );
}

function ofPixel(scene: Scene, focus: Extract<Focus, { kind: "input" }>): Node {
  const down = readersOf(scene.axes[0], focus.row);
  const across = readersOf(scene.axes[1], focus.column);
  const copies = down.length * across.length;
  const filters = filtersPerGroup(scene.problem);
  const equation = html("p", { class: "equation" });
  const value = html("strong", {}, short(scene.pixel(focus.channel, focus.row, focus.column), 4));
  equation.append(withIndices("x", [focus.channel, focus.row, focus.column]), " = ", value);
  const facts =
    copies === 0
      ? "No window reads this pixel: no output depends on it, and its gradient is 0."
      : `${plural(copies, "window")} ${copies === 1 ? "reads" : "read"} it (${down.length} down × ${across.length} across), so the im2col matrix contains it ` +
        `${plural(copies, "time")}, and ${plural(copies * filters, "output")} of ${plural(filters, "filter")} use it.`;
  return fragment(equation, html("p", { class: "facts" }, facts));
}

function ofWeight(scene: Scene, focus: Extract<Focus, { kind: "weight" }>): Node {
  const equation = html("p", { class: "equation" });
  const value = html("strong", {}, short(scene.weightAt(focus.filter, focus.k), 4));
  equation.append(withIndices("w", [focus.filter, ...unravel(scene.problem, focus.k)]), " = ", value);
  const facts =
    `One number, used ${plural(scene.positions, "time")}: it multiplies row ${focus.k} of the im2col matrix, ` +
    `and every output of filter ${focus.filter} adds one of the products.`;
  return fragment(equation, html("p", { class: "facts" }, facts));
}

/** A name with its indices: y₀,₃,₄. */
export function withIndices(name: string, indices: readonly number[]): HTMLElement {
  return html("span", { class: "named" }, html("i", {}, name), html("sub", {}, indices.join(", ")));
}

function fragment(...nodes: Node[]): DocumentFragment {
  const all = document.createDocumentFragment();
  all.append(...nodes);
  return all;
}
