// The equation of what is in focus. For an output: its sum in the order of the products, channel by channel, and
// its running sum; while the sum is played, as far as it has come. For a pixel or a weight: where it is used.

import { html, svg } from "../drawing/dom";
import { bracketed, factors, scientific, short } from "../drawing/numbers";
import type { Focus, OutputFocus } from "../model/focus";
import { channelsPerGroup, filtersPerGroup, readersOf, tapCount, unravel } from "../model/problem";
import type { Store } from "../model/state";
import { sumOfProducts } from "../numerics/convolution";
import type { Term } from "../numerics/convolution";
import type { Scene } from "../numerics/scene";
import { plural } from "./pane";
import { termButton } from "./term";

const WHOLE = 9; // products of a sum that is written whole
const FIRST = 3; // products, or channels, written of a longer one
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
  const start = bias ? bias[focus.filter] : null;
  const exact = sumOfProducts(terms) + (start ?? 0);
  const value = scene.problem.dtype === "float32" ? Math.fround(exact) : exact;
  const reached = store.get().playing === "products" && focus.tap !== null ? focus.tap + 1 : null;
  const name = withIndices("y", [focus.filter, focus.row, focus.column]);

  const padded = terms.filter(({ inside }) => !inside).length;
  const facts = html("p", { class: "facts" });
  if (focus.tap !== null) facts.append(tapped(scene, terms[focus.tap], focus));
  if (reached === null) facts.append(`${plural(terms.length, "product")}${padded ? `, ${padded} of them with padding` : ""}. `, compared(scene, focus, value));
  else facts.append(`${reached} of ${plural(terms.length, "product")}: the sum so far is `, html("strong", {}, short(sumOfProducts(terms.slice(0, reached)))), ".");
  const written = html("div", { class: "equation" }, ...sumByChannel(scene, terms, focus, store, name, start, value, reached));
  return fragment(written, runningSum(terms, focus.tap, start, reached), facts);
}

/** The sum in one line where it has one channel or one tap; else a line of partial sums, and one for each channel. */
function sumByChannel(scene: Scene, terms: readonly Term[], focus: OutputFocus, store: Store, name: Node, bias: number | null, value: number, reached: number | null): Node[] {
  const taps = tapCount(scene.problem);
  const channels = channelsPerGroup(scene.problem);
  const result = html("strong", {}, reached === null ? short(value, 5) : "…");
  const sum = (part: readonly Term[]): string => {
    const added = part.filter(({ k }) => reached === null || k < reached);
    return added.length ? short(sumOfProducts(added)) : "…";
  };
  const added = bias === null ? [] : biasTerm(bias);
  if (channels === 1 || taps === 1) {
    return [html("p", {}, name, " = ", ...products(terms, focus, store, reached), ...added, " = ", result)];
  }
  const byChannel = Array.from({ length: channels }, (_, channel) => terms.slice(channel * taps, (channel + 1) * taps));
  const chosen = focus.tap === null ? null : Math.floor(focus.tap / taps);
  const shown = chooseShown(byChannel.map((_, channel) => channel), chosen);
  const first = byChannel[0][0].channel;
  const partial = sumOf(shown.map((channel) => sum(byChannel[channel]).replace(/^−.*/, "($&)")), null);
  const left = byChannel.filter((_, channel) => !shown.includes(channel));
  const more = left.length ? restTerm(sumOfProducts(left.flat()), left.length, "more channel") : [];
  const line = (channel: number): HTMLElement =>
    html("p", { class: "channel" }, `channel ${first + channel}: `, ...products(byChannel[channel], focus, store, reached), " = ", html("b", {}, sum(byChannel[channel])));
  return [html("p", {}, name, " = ", ...partial, ...more, ...added, " = ", result), ...shown.map(line)];
}

/** Products joined by +: all of a short sum, else the first of them, the chosen one, and what the others add up to. */
function products(terms: readonly Term[], focus: OutputFocus, store: Store, reached: number | null): (Node | string)[] {
  const shown = chooseShown(terms, terms.find(({ k }) => k === focus.tap) ?? null);
  const written = shown.flatMap((term, place) => {
    const button = termButton(term, focus, store);
    button.classList.toggle("coming", reached !== null && term.k >= reached);
    return [place ? " + " : "", button];
  });
  const rest = terms.filter((term) => !shown.includes(term));
  if (!rest.length) return written;
  return [...written, ...restTerm(sumOfProducts(rest), rest.length, "more product")];
}

/** Numbers joined by +, and the bias after them: 2 + 0 + (−1) + bias 1. */
export const sumOf = (numbers: readonly string[], bias: number | null): (Node | string)[] => [numbers.join(" + "), ...(bias === null ? [] : biasTerm(bias))];

/** The bias as the last term of a sum. */
export const biasTerm = (bias: number): (Node | string)[] => [" + ", html("span", { class: "bias" }, `bias ${bracketed(bias)}`)];

/** What the terms that are not written add up to. */
export const restTerm = (sum: number, number: number, what: string): (Node | string)[] => [
  " + … + ",
  html("span", { class: "rest" }, `${bracketed(sum)} (${plural(number, what)})`),
];

/** All of a few, else the first and the chosen one. */
function chooseShown<Part>(parts: readonly Part[], chosen: Part | null): Part[] {
  return parts.filter((part, place) => parts.length <= WHOLE || place < FIRST || part === chosen);
}

function tapped(scene: Scene, term: Term, focus: OutputFocus): Node {
  const place = term.inside ? withIndices("x", [term.channel, term.row, term.column]) : "padding";
  const weight = withIndices("w", [focus.filter, ...unravel(scene.problem, term.k)]);
  const value = ` = ${factors(term.x, term.w)} = ${short(term.x * term.w)}. `;
  return html("span", { class: "tapped" }, `Product ${term.k}: `, place, " · ", weight, value);
}

/** |Δ| against PyTorch's own value, where this page has it. */
function compared(scene: Scene, focus: OutputFocus, value: number): Node | string {
  if (!scene.pytorch) return "";
  const place = focus.filter * scene.positions + focus.row * scene.axes[1].outputSize + focus.column;
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

/** The sum as it grows, one bar a product and one for the bias: up is more, down is less. reached: how many are drawn, where not all are. */
export function runningSum(terms: readonly Pick<Term, "k" | "x" | "w">[], tap: number | null, bias: number | null = null, reached: number | null = null): SVGSVGElement {
  const added = [...terms.map(({ k, x, w }) => ({ k, by: x * w })), ...(bias === null ? [] : [{ k: -1, by: bias }])];
  let sum = 0;
  const levels = [0, ...added.map(({ by }) => (sum += by))];
  const [least, most] = [Math.min(...levels), Math.max(...levels)];
  const height = (value: number): number => SUM_HEIGHT - 4 - ((value - least) / (most - least || 1)) * (SUM_HEIGHT - 8);
  const step = SUM_WIDTH / added.length;
  const bars = { positive: "", negative: "" };
  let chosen = "";
  let line = `M0 ${height(0).toFixed(1)}`;
  added.slice(0, reached ?? added.length).forEach(({ k, by }, place) => {
    const [from, to] = [height(levels[place]), height(levels[place + 1])];
    const x = place * step;
    const bar = `M${x.toFixed(2)} ${from.toFixed(1)}V${to.toFixed(1)}h${(step * 0.86).toFixed(2)}V${from.toFixed(1)}z`;
    bars[by < 0 ? "negative" : "positive"] += bar;
    if (k === tap) chosen = bar;
    line += `L${(x + step).toFixed(2)} ${to.toFixed(1)}`;
  });
  const label = `The running sum: over ${plural(terms.length, "product")}${bias === null ? "" : " and the bias"} to ${short(sum)}.`;
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
