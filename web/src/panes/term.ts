// One product of a sum as it is written: a pixel times a weight. A click chooses it; a double click on one of its numbers edits that number.

import { html } from "../drawing/dom";
import { bracketed } from "../drawing/numbers";
import type { OutputFocus } from "../model/focus";
import type { Store } from "../model/state";
import type { Term } from "../numerics/convolution";

export function termButton({ k, x, w }: Pick<Term, "k" | "x" | "w">, focus: OutputFocus, store: Store): HTMLElement {
  const chosen = k === focus.tap;
  const product = x * w;
  const sign = product < 0 ? "negative" : product > 0 ? "positive" : "zero";
  const number = (array: "x" | "w", value: number): HTMLElement => html("span", { "data-array": array }, bracketed(value));
  const button = html("button", { type: "button", class: `term ${sign}`, "aria-pressed": String(chosen), "data-k": k }, number("x", x), "·", number("w", w));
  button.addEventListener("click", ({ detail }) => {
    if (detail < 2) store.set({ focus: { ...focus, tap: chosen ? null : k }, pinned: true, playing: false });
  });
  return button;
}

/** Calls with the product and the number that is double-clicked among some terms. */
export function onNumberOpened(terms: HTMLElement, open: (k: number, array: "x" | "w") => void): void {
  // Not "dblclick": the first click draws the terms anew, and where that happens while the button is
  // pressed a second time, the double click is reported for an element around the terms.
  terms.addEventListener("mousedown", (event) => {
    if (event.detail !== 2) return;
    const target = event.target as Element;
    const k = target.closest("[data-k]")?.getAttribute("data-k");
    const array = target.closest("[data-array]")?.getAttribute("data-array");
    if (!k) return;
    event.preventDefault(); // the field that opens keeps the focus
    open(Number(k), array === "x" ? "x" : "w");
  });
}

/** Replaces what shows terms; the one that has the keyboard's focus keeps it. */
export function replaceTerms(element: HTMLElement, node: Node): void {
  const term = element.contains(document.activeElement) ? document.activeElement?.getAttribute("data-k") : null;
  element.replaceChildren(node);
  if (term) element.querySelector<HTMLElement>(`[data-k="${term}"]`)?.focus({ preventScroll: true });
}

/** Scrolls what shows terms, and not the page, to the one in focus. */
export function keepTermInView(element: HTMLElement): void {
  const term = element.querySelector('[aria-pressed="true"]')?.getBoundingClientRect();
  const seen = element.getBoundingClientRect();
  if (term) element.scrollTop += Math.max(0, term.bottom - seen.bottom) + Math.min(0, term.top - seen.top);
}
