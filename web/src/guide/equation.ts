// The sum of one output, written out: a line for each channel, its products in the order of the window. While it is
// played product by product, the products so far are shown, and what they add up to.

import { html } from "../drawing/dom";
import { bracketed, factors, short } from "../drawing/numbers";
import { outputOf } from "../model/focus";
import type { OutputFocus } from "../model/focus";
import { channelsPerGroup, tapCount } from "../model/problem";
import type { State, Store } from "../model/state";
import { sumOfProducts } from "../numerics/convolution";
import type { Term } from "../numerics/convolution";
import type { Scene } from "../numerics/scene";
import { plural } from "../panes/pane";
import { sentence, sumOf, withIndices } from "../panes/sentence";
import { termButton } from "../panes/term";

const MOST_WRITTEN = 9; // products of a channel; a larger filter's are only counted

export function equation(scene: Scene, state: State, store: Store): Node {
  if (state.focus.kind !== "output") return sentence(scene, state.focus, store);
  const focus = outputOf(state.focus);
  const terms = scene.terms(focus.filter, focus.row, focus.column);
  const reached = focus.tap === null ? terms.length : focus.tap + 1;
  const channels = channelsPerGroup(scene.problem);
  const taps = tapCount(scene.problem);
  const element = html("div", { class: "sum" });
  element.classList.toggle("many", channels > 1);
  const current = Math.floor((focus.tap ?? 0) / taps);
  for (let channel = 0; channel < channels; channel++) {
    const own = terms.slice(channel * taps, (channel + 1) * taps);
    const line = html("p", { class: "channel" });
    line.classList.toggle("current", channel === current);
    line.append(html("span", { class: "of" }, ...(channels > 1 ? [`channel ${channel}`] : [name(focus), " ="])));
    line.append(taps > MOST_WRITTEN ? counted(own, focus) : products(own, reached, scene.problem.kernelSize[1], focus, store));
    const begun = reached > channel * taps;
    const subtotal = begun ? short(sumOfProducts(own.filter(({ k }) => k < reached))) : "…";
    line.append(html("span", { class: "subtotal" }, channels > 1 || focus.tap === null ? `= ${subtotal}` : "= …"));
    element.append(line);
  }
  element.append(total(scene, terms, reached, focus));
  return element;
}

const name = ({ filter, row, column }: OutputFocus): HTMLElement => withIndices("y", [filter, row, column]);

function products(terms: readonly Term[], reached: number, across: number, focus: OutputFocus, store: Store): HTMLElement {
  const element = html("span", { class: "products", style: `--across:${across}` });
  for (const term of terms) {
    const sign = html("span", {}, term === terms[0] ? "" : "+");
    element.append(html("span", { class: term.k < reached ? "product" : "product coming" }, sign, termButton(term, focus, store)));
  }
  return element;
}

function counted(terms: readonly Term[], { tap }: OutputFocus): HTMLElement {
  const chosen = terms.find(({ k }) => k === tap);
  const written = chosen ? `${plural(terms.length, "product")}; number ${chosen.k}: ${factors(chosen.x, chosen.w)}` : plural(terms.length, "product");
  return html("span", { class: "counted" }, written);
}

/** The last line: the channels' sums and the bias, or how far the sum has come. */
function total(scene: Scene, terms: readonly Term[], reached: number, focus: OutputFocus): HTMLElement {
  const element = html("p", { class: "total" });
  if (focus.tap !== null) {
    element.append(`${reached} of ${plural(terms.length, "product")}: the sum so far is `, html("strong", {}, short(sumOfProducts(terms.slice(0, reached)))));
    return element;
  }
  const channels = channelsPerGroup(scene.problem);
  const taps = tapCount(scene.problem);
  const value = scene.outputAt(focus.filter, focus.row, focus.column);
  const bias = scene.operands.bias?.[focus.filter] ?? null;
  if (channels === 1 && bias === null) return element; // the only line has it
  const partial = Array.from({ length: channels }, (_, channel) => bracketed(sumOfProducts(terms.slice(channel * taps, (channel + 1) * taps))));
  element.append(name(focus), " = ", ...sumOf(partial, bias), " = ", html("strong", {}, short(value)));
  return element;
}
