// The multiplications of two methods as bars, one bar for each method, divided into parts.

import { html, svg } from "./dom";

export interface Method {
  readonly name: string;
  readonly parts: readonly { readonly kind: "definition" | "main" | "beside"; readonly size: number }[];
  readonly text: string;
}

export function multiplicationBars(verdict: HTMLElement, methods: readonly Method[]): HTMLElement {
  const total = ({ parts }: Method): number => parts.reduce((sum, { size }) => sum + size, 0);
  const most = Math.max(...methods.map(total));
  const list = html("dl");
  for (const method of methods) {
    const bar = svg("svg", { viewBox: "0 0 100 1", preserveAspectRatio: "none", class: "bar", "aria-hidden": "true" });
    let x = 0;
    for (const { kind, size } of method.parts) {
      const width = (100 * size) / most;
      bar.append(svg("rect", { x, y: 0, width, height: 1, class: kind }));
      x += width;
    }
    list.append(html("dt", {}, method.name), html("dd", {}, bar), html("dd", {}, method.text));
  }
  return html("div", { class: "multiplication-bars" }, verdict, list);
}
