// The keys in words: a line below the panes, and a list that ? opens.

import { html } from "../drawing/dom";

interface Line {
  readonly keys: readonly string[];
  readonly does: string;
  readonly hint?: string; // in the line below the panes, shorter
}

const LINES: readonly Line[] = [
  { keys: ["←", "→"], does: "the output before, the next output", hint: "outputs" },
  { keys: ["↑", "↓"], does: "the output one row up, one row down", hint: "rows" },
  { keys: ["[", "]"], does: "the filter before, the next filter; Page Up and Page Down too", hint: "filters" },
  { keys: ["Shift ←", "Shift →"], does: "the products of the output, one after another", hint: "products" },
  { keys: ["Shift ↑", "Shift ↓"], does: "the products, one row of the kernel further" },
  { keys: ["Space"], does: "play and pause", hint: "plays" },
  { keys: ["Shift Space"], does: "play and pause the sum of the output, product by product" },
  { keys: ["Esc"], does: "releases a focus that a click pinned" },
  { keys: ["Tab"], does: "to the next pane: in the input and the weight, the arrows move from cell to cell" },
  { keys: ["?"], does: "this list", hint: "all keys" },
];

/** The line below the panes; it is not drawn where there is no keyboard. */
export function keyHint(): HTMLElement {
  const all = LINES.flatMap(({ keys, hint }) => (hint ? [html("kbd", {}, keys.join(" ")), ` ${hint} · `] : []));
  const pin = html("span", { class: "pin" }, "a click pins the focus, ", html("kbd", {}, "Esc"), " releases it");
  return html("p", { class: "hint with-keyboard" }, ...all, pin);
}

/** The list of all keys; Esc closes it, and so does its button. */
export function keyList(): HTMLDialogElement {
  const list = html("dl");
  for (const { keys, does } of LINES) {
    const shown = keys.flatMap((key, place) => [...(place ? [" "] : []), html("kbd", {}, key)]);
    list.append(html("dt", {}, ...shown), html("dd", {}, does));
  }
  const close = html("button", { type: "button" }, "Close");
  const dialog = html("dialog", { class: "key-list", "aria-label": "keys" }, html("h2", {}, "Keys"), list, close);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog) dialog.close(); // the backdrop
  });
  return dialog;
}
