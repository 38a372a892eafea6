// Two ways of doing the same, and how often each multiplies: a bar for each, in its parts.

import { html, svg } from "./dom";

export interface Way {
  readonly name: string;
  readonly parts: readonly { readonly kind: "definition" | "main" | "beside"; readonly size: number }[];
  readonly said: string;
}

export function tally(verdict: HTMLElement, ways: readonly Way[]): HTMLElement {
  const total = ({ parts }: Way): number => parts.reduce((sum, { size }) => sum + size, 0);
  const most = Math.max(...ways.map(total));
  const list = html("dl");
  for (const way of ways) {
    const bar = svg("svg", { viewBox: "0 0 100 1", preserveAspectRatio: "none", class: "bar", "aria-hidden": "true" });
    let x = 0;
    for (const { kind, size } of way.parts) {
      const width = (100 * size) / most;
      bar.append(svg("rect", { x, y: 0, width, height: 1, class: kind }));
      x += width;
    }
    list.append(html("dt", {}, way.name), html("dd", {}, bar), html("dd", {}, way.said));
  }
  return html("div", { class: "tally" }, verdict, list);
}
