// A grid of numbers as colours: as SVG with the numbers where the cells are few, on a canvas where they are
// many. Marks are drawn above it, one path for each role, so that moving them is cheap.

import { drawCells, fontSizeOf, LEAST_FONT } from "./cells";
import type { Cells } from "./cells";
import { colourMap } from "./colour";
import type { Theme } from "./colour";
import { html, svg } from "./dom";
import { cellAt, corner, layout } from "./grid_layout";
import type { Cell, Layout } from "./grid_layout";
import type { GridSpec, Mark, Role } from "./grid_spec";
import { paint } from "./paint";

export interface GridEvents {
  hover?(cell: Cell): void;
  leave?(): void;
  pick?(cell: Cell): void;
  open?(cell: Cell): void; // clicked twice
}

const ROLES: readonly Role[] = ["use", "read", "window", "tap"];
const MOST_SVG_COLUMNS = 24; // without numbers
const MOST_SVG_CELLS = 3000;
const LEAST_MARK = 2.5; // pixels
const LEAST_LABELLED = 30; // pixels of a plane's width, for labels side by side

export class Grid {
  readonly element: HTMLElement;
  readonly numbered: boolean;
  private readonly placed: Layout;
  private readonly overlay: SVGSVGElement;
  private readonly paths = new Map<Role, SVGPathElement>();
  private canvas: HTMLCanvasElement | null = null;
  private cells: Cells | null = null;

  constructor(
    readonly spec: GridSpec,
    private readonly theme: Theme,
    { largestCell, ...room }: { width: number; height: number; largestCell?: number },
    events: GridEvents = {},
  ) {
    this.placed = layout(spec, room.width, room.height, largestCell);
    const few = !spec.painted && spec.planes * spec.rows * spec.columns <= MOST_SVG_CELLS;
    this.numbered = few && fontSizeOf(spec, this.placed) >= LEAST_FONT;
    const { width, height } = this.placed;
    this.overlay = svg("svg", { class: "overlay", width, height, "aria-hidden": "true" });
    for (const role of ROLES) {
      const path = svg("path", { class: `mark ${role}` });
      this.paths.set(role, path);
      this.overlay.append(path);
    }
    this.element = html("div", { class: "grid", style: `width:${width}px;height:${height}px` });
    this.element.classList.toggle("numbered", this.numbered);
    this.element.setAttribute("role", "application");
    this.element.setAttribute("aria-roledescription", "grid of numbers");
    this.element.setAttribute("aria-label", spec.label);
    this.element.tabIndex = 0;
    if (this.numbered || (few && spec.columns <= MOST_SVG_COLUMNS)) {
      this.cells = drawCells(spec, this.placed, theme, this.numbered);
      this.element.append(this.cells.element);
    } else {
      this.canvas = html("canvas", { style: `width:${width}px;height:${height}px` });
      this.element.append(this.canvas);
      this.paintCanvas();
    }
    this.drawLabels();
    this.element.append(this.overlay);
    this.listen(events);
  }

  /** Draws the values again; their shape is as it was. */
  repaint(): void {
    if (this.canvas) this.paintCanvas();
    this.cells?.repaint();
  }

  mark(marks: readonly Mark[]): void {
    const outlines = new Map<Role, string[]>(ROLES.map((role) => [role, []]));
    for (const mark of marks) outlines.get(mark.role)?.push(this.outline(mark));
    for (const [role, path] of this.paths) path.setAttribute("d", outlines.get(role)?.join("") ?? "");
  }

  /** The rectangle of some cells, in the grid's pixels. */
  rectangle(mark: Omit<Mark, "role">): { left: number; top: number; width: number; height: number } {
    const { cellWidth, cellHeight } = this.placed;
    const { left, top } = corner(this.spec, this.placed, mark.plane);
    const width = Math.max((mark.columns ?? 1) * cellWidth, LEAST_MARK);
    const height = Math.max((mark.rows ?? 1) * cellHeight, LEAST_MARK);
    const slackX = (width - (mark.columns ?? 1) * cellWidth) / 2;
    const slackY = (height - (mark.rows ?? 1) * cellHeight) / 2;
    return { left: left + mark.column * cellWidth - slackX, top: top + mark.row * cellHeight - slackY, width, height };
  }

  private paintCanvas(): void {
    if (this.canvas) paint(this.canvas, this.spec, this.placed, this.theme, colourMap(this.theme, this.spec.map));
  }

  private outline(mark: Mark): string {
    const box = this.rectangle(mark);
    const around = mark.role === "window" ? 1 : 0; // so that the line hides nothing
    const [x, y] = [(box.left - around).toFixed(2), (box.top - around).toFixed(2)];
    const [width, height] = [box.width + 2 * around, box.height + 2 * around];
    return `M${x} ${y}h${width.toFixed(2)}v${height.toFixed(2)}h${(-width).toFixed(2)}z`;
  }

  private drawLabels(): void {
    const { spec, placed } = this;
    for (let plane = 0; plane < spec.planes; plane++) {
      const { left, top } = corner(spec, placed, plane);
      if (spec.band && placed.gap > 0) {
        const band = { x: left, y: top - Math.min(3, placed.gap), height: 2, width: spec.columns * placed.cellWidth };
        this.overlay.append(svg("rect", { ...band, class: `band band-${spec.band(plane) % 6}` }));
      }
      if (!placed.label || !spec.planeLabel || spec.columns * placed.cellWidth < LEAST_LABELLED) continue;
      this.overlay.append(svg("text", { x: left, y: top - 7, class: "plane-label" }, spec.planeLabel(plane)));
    }
  }

  private listen(events: GridEvents): void {
    const at = (event: PointerEvent | MouseEvent): Cell | null => {
      const box = this.element.getBoundingClientRect();
      return cellAt(this.spec, this.placed, event.clientX - box.left, event.clientY - box.top);
    };
    this.element.addEventListener("pointermove", (event) => {
      const cell = at(event);
      if (cell && event.pointerType !== "touch") events.hover?.(cell);
    });
    this.element.addEventListener("pointerleave", () => events.leave?.());
    this.element.addEventListener("click", (event) => {
      const cell = at(event);
      if (cell) events.pick?.(cell);
    });
    this.element.addEventListener("dblclick", (event) => {
      const cell = at(event);
      if (cell) events.open?.(cell);
    });
  }
}
