// One pane: a title, a grid, notes, and a text alternative. A cell under the pointer becomes the focus of
// every pane; a click pins it.

import { html } from "../drawing/dom";
import { Grid } from "../drawing/grid";
import type { Cell } from "../drawing/grid_layout";
import type { GridSpec, Mark } from "../drawing/grid_spec";
import { short } from "../drawing/numbers";
import type { Focus } from "../model/focus";
import type { Place as NumberPlace } from "../model/source";
import type { State } from "../model/state";
import type { Context, Room } from "./context";

/** An index of planes, by its letter and what it counts. */
export interface PlaneIndex {
  readonly letter: string;
  readonly plural: string;
}

export const CHANNEL: PlaneIndex = { letter: "c", plural: "channels" };
export const FILTER: PlaneIndex = { letter: "f", plural: "filters" };

/** The numbers of a pane: the layer's own, or others of the same shape, such as a gradient. */
export interface PaneContent<Place extends readonly number[]> {
  readonly title: string;
  readonly symbol: string; // before a cell's indices
  readonly planes: readonly PlaneIndex[]; // the indices of a plane, the outer one first
  readonly scale: number;
  value(...place: Place): number;
  /** The number of the layer that a cell is, which can be edited; null for padding and inserted zeros. */
  edited?(...place: Place): NumberPlace | null;
}

export interface PaneSpec {
  readonly name: string;
  readonly title: string;
  readonly shape: string; // as PyTorch would print it
  readonly notes: readonly string[];
  readonly grid: GridSpec;
  marks(focus: Focus): Mark[];
  /** The focus of a cell; null where it has none. */
  focusOf(cell: Cell): Focus | null;
  /** The focus one cell further, where the arrow keys move this pane's own cells. */
  step?(focus: Focus, rows: number, columns: number): Focus;
  /** The number of the layer that a cell is, which can then be edited; null where a cell is none. */
  place?(cell: Cell): NumberPlace | null;
  /** Called with the cell under the pointer, and with null when the pointer leaves: for cells that have no focus. */
  hovered?(cell: Cell | null): void;
  /** The pane in words, for screen readers. */
  alternative(focus: Focus): string;
}

const STEPS: Record<string, readonly [rows: number, columns: number]> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

export function pane(context: Context, spec: PaneSpec, room: Room): { element: HTMLElement; grid: Grid } {
  const { store, magnifier, theme } = context;
  const pin = (cell: Cell): void => {
    const focus = spec.focusOf(cell);
    if (focus) store.set({ focus, pinned: true, playing: false });
    spec.hovered?.(cell);
  };
  const grid = new Grid(spec.grid, theme, room, {
    hover: (cell) => {
      if (!grid.numbered) magnifier.show(grid, cell, theme, spec.grid.describe?.(cell) ?? "");
      const { pinned, playing } = store.get();
      const focus = spec.focusOf(cell);
      if (focus && !pinned && !playing) store.set({ focus });
      spec.hovered?.(cell);
    },
    leave: () => {
      magnifier.hide();
      spec.hovered?.(null);
    },
    pick: pin,
    open: (cell) => edit(cell),
  });
  const edit = (cell: Cell | undefined): void => {
    magnifier.hide();
    if (spec.place && cell) context.editor?.open({ pane: spec.name, cell });
  };
  if (spec.place) {
    const { value, describe } = spec.grid;
    context.editor?.register(spec.name, {
      grid,
      place: spec.place,
      value: ({ plane, row, column }) => value(plane, row, column),
      describe: (cell) => describe?.(cell) ?? "",
    });
  }
  const alternative = html("p", { class: "alternative" });
  const notes = spec.notes.map((note) => html("p", { class: "note" }, note));
  const photograph = spec.grid.colour !== undefined;
  const colours = photograph ? "brightness: −1 is black, 1 is full" : "colours: negative, zero, positive";
  const scale = html("span", { class: photograph ? "scale photograph" : "scale", title: colours }, html("i"));
  const heading = html("h2", {}, spec.title, html("span", { class: "shape" }, spec.shape), scale);
  const element = html("section", { class: `pane pane-${spec.name}` }, heading, grid.element, alternative, ...notes);

  if (spec.step) grid.element.dataset.steps = ""; // the explorer leaves the arrows to it
  grid.element.addEventListener("keydown", (event) => {
    if (spec.place && (event.key === "Enter" || event.key === "F2")) {
      edit(cellInFocus(spec, store.get().focus));
      event.preventDefault();
      event.stopPropagation();
    }
    const move = STEPS[event.key];
    if (!move || !spec.step || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
    store.set({ focus: spec.step(store.get().focus, ...move), pinned: true, playing: false });
    event.preventDefault();
    event.stopPropagation();
  });
  context.onState(({ focus }) => {
    grid.mark(spec.marks(focus));
    alternative.textContent = spec.alternative(focus);
  });
  grid.element.addEventListener("focus", () => alternative.setAttribute("aria-live", "polite"));
  grid.element.addEventListener("blur", () => alternative.removeAttribute("aria-live"));
  const showScale = (): void => {
    const end = photograph ? "1" : short(spec.grid.scale, 2);
    if (scale.dataset.end !== end) scale.dataset.end = end;
  };
  context.onNumbers(showScale);
  context.onState(showScale);
  return { element, grid };
}

/** Repaints a grid when more of its cells, or fewer, have appeared. */
export function appearing(context: Context, grid: Grid, revealed: (state: State) => number | null): void {
  let before = revealed(context.store.get());
  context.onState((state) => {
    const now = revealed(state);
    if (now !== before) grid.repaint();
    before = now;
  });
}

/** The one cell that the focus marks; where it marks many, the cell that the arrow keys would start from. */
function cellInFocus(spec: PaneSpec, focus: Focus): Cell | undefined {
  const single = (marks: readonly Mark[]): Mark | undefined =>
    marks.find(({ role }) => role === "tap") ?? marks.find(({ role, rows, columns }) => role === "window" && !rows && !columns);
  return single(spec.marks(focus)) ?? (spec.step && single(spec.marks(spec.step(focus, 0, 0))));
}

/** The block of planes that contains an index: very many planes are drawn in blocks. */
export function block(total: number, place: number, most = 64): { start: number; end: number } {
  const start = Math.floor(place / most) * most;
  return { start, end: Math.min(total, start + most) };
}

/** A note where only some are drawn: "filters 64 to 127 of 512". */
export function blockNote(what: string, total: number, { start, end }: { start: number; end: number }): string[] {
  return end - start < total ? [`${what} ${start} to ${end - 1} of ${total} are drawn; move the focus to see the others.`] : [];
}

export const plural = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`;
