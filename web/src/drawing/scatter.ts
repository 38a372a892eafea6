// A scatter plot below a line: the error of every output against its bound, both logarithmic. The points are
// painted once; marks are drawn above them.

import { pack, rgb } from "./colour";
import type { Theme } from "./colour";
import { html, svg } from "./dom";
import { decade, scientific } from "./numbers";

export interface Points {
  readonly number: number;
  x(place: number): number; // positive
  y(place: number): number; // zero or more; zero is drawn at the bottom
}

export interface ScatterEvents {
  hover(place: number): void;
  pick(place: number): void;
}

const MARGIN = { left: 46, right: 2, top: 18, bottom: 40 };
const DECADES = 6; // below the largest bound; smaller errors are drawn at the bottom
const LABEL = 200; // pixels that the bound's name takes, below it
const NEAR = 14; // pixels from a point that point at it
const DOT = 2; // pixels of a point's side

export class Scatter {
  readonly element: HTMLElement;
  private readonly canvas = html("canvas");
  private readonly axes = svg("svg", { class: "axes", "aria-hidden": "true" });
  private readonly overlay = svg("svg", { class: "overlay", "aria-hidden": "true" });
  private readonly focus = svg("circle", { class: "mark window", r: 6 });
  private readonly worst = svg("circle", { class: "mark read", r: 6 });
  private points: Points = { number: 0, x: () => 1, y: () => 0 };
  private left = 0; // logarithms of the ends
  private right = 1;
  private top = 0;

  constructor(
    private readonly theme: Theme,
    private readonly size: { width: number; height: number },
    private readonly label: { x: string; y: string; line: string },
    events: ScatterEvents,
  ) {
    const { width, height } = size;
    for (const drawn of [this.axes, this.overlay]) drawn.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.overlay.append(this.worst, this.focus);
    this.element = html("div", { class: "scatter", style: `width:${width}px;height:${height}px` }, this.axes, this.canvas, this.overlay);
    this.canvas.style.cssText = `width:${width}px;height:${height}px`;
    this.element.addEventListener("pointermove", (event) => {
      const place = event.pointerType === "touch" ? null : this.nearest(event);
      if (place !== null) events.hover(place);
    });
    this.element.addEventListener("click", (event) => {
      const place = this.nearest(event);
      if (place !== null) events.pick(place);
    });
  }

  draw(points: Points, worst: number | null): void {
    this.points = points;
    let [least, most] = [Infinity, 0];
    for (let place = 0; place < points.number; place++) {
      const x = points.x(place);
      if (x < least) least = x;
      if (x > most) most = x;
    }
    if (!points.number) [least, most] = [1e-8, 1e-6];
    [this.left, this.right] = [Math.log10(least) - 0.06, Math.log10(most) + 0.06];
    this.top = this.right;
    this.drawAxes();
    this.paint();
    this.move(this.worst, worst);
  }

  mark(place: number | null): void {
    this.move(this.focus, place);
  }

  private get floor(): number {
    return this.top - DECADES;
  }

  private across(x: number): number {
    const { width } = this.size;
    return MARGIN.left + ((Math.log10(x) - this.left) / (this.right - this.left)) * (width - MARGIN.left - MARGIN.right);
  }

  private down(y: number): number {
    const { height } = this.size;
    const logarithm = Math.max(this.floor, y > 0 ? Math.log10(y) : this.floor);
    return MARGIN.top + ((this.top - logarithm) / DECADES) * (height - MARGIN.top - MARGIN.bottom);
  }

  private move(circle: SVGCircleElement, place: number | null): void {
    const shown = place !== null && place < this.points.number;
    circle.style.display = shown ? "" : "none";
    if (!shown) return;
    circle.setAttribute("cx", this.across(this.points.x(place)).toFixed(1));
    circle.setAttribute("cy", this.down(this.points.y(place)).toFixed(1));
  }

  private drawAxes(): void {
    const { width, height } = this.size;
    const [start, end, bottom] = [MARGIN.left, width - MARGIN.right, height - MARGIN.bottom];
    const [from, to] = [this.down(10 ** this.left), this.down(10 ** this.right)];
    this.axes.replaceChildren(
      svg("path", { class: "beyond", d: `M${start} ${from}L${end} ${to}V${MARGIN.top}H${start}z` }),
      svg("path", { class: "bound", d: `M${start} ${from}L${end} ${to}` }),
      svg("path", { class: "axis", d: `M${start} ${MARGIN.top}V${bottom}H${end}` }),
      svg("text", { x: end, y: to + ((from - to) * LABEL) / (end - start) + 16, class: "of-bound", "text-anchor": "end" }, this.label.line),
      svg("text", { x: end, y: height - 6, class: "title", "text-anchor": "end" }, this.label.x),
      svg("text", { x: start - 6, y: bottom + 4, class: "tick", "text-anchor": "end" }, "0"),
      svg("text", { x: start - 6, y: 10, class: "title", "text-anchor": "end" }, this.label.y),
    );
    for (let power = Math.ceil(this.floor + 0.3); power <= this.top; power++) {
      const y = this.down(10 ** power);
      this.axes.append(svg("path", { class: "grid-line", d: `M${start} ${y}H${end}` }));
      this.axes.append(svg("text", { x: start - 6, y: y + 4, class: "tick", "text-anchor": "end" }, decade(power)));
    }
    const ends = [this.left + 0.06, this.right - 0.06];
    for (const [place, logarithm] of ends[1] - ends[0] > 0.05 ? ends.entries() : [[0, ends[0]] as const]) {
      const at = { x: this.across(10 ** logarithm), y: bottom + 15, class: "tick" };
      this.axes.append(svg("text", { ...at, "text-anchor": place ? "end" : "start" }, scientific(10 ** logarithm, 2)));
    }
  }

  /** Many points on one another add up to the ink's full strength. */
  private paint(): void {
    const density = Math.min(devicePixelRatio || 1, 2);
    const [width, height] = [Math.round(this.size.width * density), Math.round(this.size.height * density)];
    this.canvas.width = width;
    this.canvas.height = height;
    const context = this.canvas.getContext("2d");
    if (!context) throw new Error("this browser has no Canvas 2D");
    const image = new ImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const colour = pack(rgb(this.theme.sequential[3])) & 0xffffff;
    const [side, weight] = [Math.round(DOT * density), this.points.number > 20_000 ? 60 : 140];
    for (let place = 0; place < this.points.number; place++) {
      const x = Math.round(this.across(this.points.x(place)) * density - side / 2);
      const y = Math.round(this.down(this.points.y(place)) * density - side / 2);
      for (let dot = 0; dot < side * side; dot++) {
        const at = (y + Math.floor(dot / side)) * width + x + (dot % side);
        pixels[at] = ((Math.min(255, (pixels[at] >>> 24) + weight) << 24) | colour) >>> 0;
      }
    }
    context.putImageData(image, 0, 0);
  }

  private nearest(event: MouseEvent): number | null {
    const box = this.element.getBoundingClientRect();
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    let best: number | null = null;
    let distance = NEAR ** 2;
    for (let place = 0; place < this.points.number; place++) {
      const away = (this.across(this.points.x(place)) - left) ** 2 + (this.down(this.points.y(place)) - top) ** 2;
      if (away > distance) continue;
      distance = away;
      best = place;
    }
    return best;
  }
}
