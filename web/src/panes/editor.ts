// Typing over a number: a field on its cell. Enter keeps the number, Esc does not, Tab keeps it and goes to the next cell.

import { html } from "../drawing/dom";
import type { Grid } from "../drawing/grid";
import type { Cell } from "../drawing/grid_layout";
import { readNumber, samePlace, withEdit } from "../model/edits";
import { literal } from "../model/literal";
import type { Place } from "../model/source";
import type { Store } from "../model/state";

const LEAST_WIDTH = 68; // pixels
const LEAST_HEIGHT = 26;

/** A pane whose cells are numbers of the layer. */
export interface Editable {
  readonly grid: Grid;
  /** The number that a cell is; null where it is none: padding, or a zero that a layer inserts. */
  place(cell: Cell): Place | null;
  value(cell: Cell): number;
  describe(cell: Cell): string;
}

interface At {
  readonly pane: string;
  readonly cell: Cell;
}

export class Editor {
  private readonly panes = new Map<string, Editable>();
  private field: HTMLElement | null = null;
  private next: At | null = null; // to be edited once the stage is drawn again

  constructor(private readonly store: Pick<Store, "get" | "set">) {}

  /** Tells of a pane that has just been drawn. */
  register(name: string, editable: Editable): void {
    this.panes.set(name, editable);
  }

  /** Goes on with the cell that Tab asked for, now that the stage has been drawn again. */
  resume(): void {
    this.field = null;
    const at = this.next;
    this.next = null;
    if (at) this.open(at);
  }

  /** Opens the field on a cell. */
  open(at: At): void {
    const editable = this.panes.get(at.pane);
    if (!editable?.grid.element.isConnected) return;
    const place = editable.place(at.cell);
    this.field?.remove();
    this.field = place ? this.fieldOn(editable, at, place) : fixed(editable, at.cell);
    editable.grid.element.append(this.field);
    this.field.querySelector("input")?.select();
  }

  /** Opens the field on the cell of a number of the layer, where one is drawn. The im2col matrix has only copies. */
  openNumber(number: Place): void {
    const drawn = [...this.panes].filter(([, { grid }]) => grid.element.isConnected);
    const panes = [...drawn.filter(([name]) => name !== "columns"), ...drawn];
    for (const [pane, editable] of panes) {
      const cell = cells(editable).find((each) => isNumber(editable, each, number));
      if (cell) return this.open({ pane, cell });
    }
  }

  private fieldOn(editable: Editable, at: At, place: Place): HTMLElement {
    const { dtype } = this.store.get().problem;
    const before = literal(editable.value(at.cell), dtype);
    const input = html("input", { type: "text", inputmode: "decimal", spellcheck: "false", autocomplete: "off", value: before, "aria-label": editable.describe(at.cell) });
    const wrong = html("span", { class: "wrong", role: "alert" });
    const field = html("div", { class: "number-field" }, input, wrong);
    placeOver(field, editable.grid, at.cell);
    const close = (): void => {
      this.field = null; // before the field loses the keyboard's focus, which would keep the number
      editable.grid.element.focus({ preventScroll: true });
      field.remove();
    };
    const keep = (next: At | null): void => {
      try {
        const value = readNumber(input.value, dtype);
        const changed = input.value !== before;
        if (changed) this.store.set({ source: withEdit(this.store.get().source, { ...place, value }), playing: false });
        close();
        if (next && changed) this.next = next;
        else if (next) this.open(next);
      } catch (error) {
        input.setAttribute("aria-invalid", "true");
        wrong.textContent = (error as Error).message;
      }
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation(); // the grid has its own use of arrows and Enter
      if (event.key === "Enter") keep(null);
      else if (event.key === "Tab") keep(after(editable, at, event.shiftKey ? -1 : 1));
      else if (event.key !== "Escape") return;
      else close();
      event.preventDefault();
    });
    input.addEventListener("blur", () => {
      if (this.field !== field) return;
      if (input.value === before) close();
      else keep(null);
    });
    for (const name of ["pointermove", "click", "dblclick"]) field.addEventListener(name, (event) => event.stopPropagation());
    return field;
  }
}

/** All cells, in reading order. */
const cells = ({ grid: { spec } }: Editable): Cell[] =>
  Array.from({ length: spec.planes * spec.rows * spec.columns }, (_, index) => cellAt(spec, index));

function cellAt({ rows, columns }: Grid["spec"], index: number): Cell {
  const row = Math.floor(index / columns);
  return { plane: Math.floor(row / rows), row: row % rows, column: index % columns };
}

function isNumber({ place }: Editable, cell: Cell, number: Place): boolean {
  const own = place(cell);
  return own !== null && samePlace(own, number);
}

/** The next cell that is a number of the layer, in reading order; null after the last. */
function after({ grid, place }: Editable, { pane, cell }: At, by: number): At | null {
  const { planes, rows, columns } = grid.spec;
  let index = (cell.plane * rows + cell.row) * columns + cell.column + by;
  for (; index >= 0 && index < planes * rows * columns; index += by) {
    const next = cellAt(grid.spec, index);
    if (place(next)) return { pane, cell: next };
  }
  return null;
}

/** What a cell says that cannot be edited. */
function fixed({ grid, describe }: Editable, cell: Cell): HTMLElement {
  const note = html("div", { class: "number-field" }, html("span", { class: "wrong", role: "status" }, `${describe(cell)}: not a number of the layer`));
  placeOver(note, grid, cell);
  window.setTimeout(() => note.remove(), 2500);
  return note;
}

function placeOver(field: HTMLElement, grid: Grid, cell: Cell): void {
  const box = grid.rectangle(cell);
  const [width, height] = [Math.max(LEAST_WIDTH, box.width), Math.max(LEAST_HEIGHT, box.height)];
  const left = Math.max(0, Math.min(grid.element.clientWidth - width, box.left + (box.width - width) / 2));
  field.style.cssText = `left:${left}px;top:${box.top + (box.height - height) / 2}px;width:${width}px;height:${height}px`;
}
