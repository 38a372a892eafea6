// What a grid shows: its planes, their values, and the marks above them.

import type { Rgb } from "./colour";
import type { Cell, Shape } from "./grid_layout";

/**
 * What a cell is. "padding" has no number, "unread" is read by no window, "inserted" is a zero of a transposed convolution,
 * "hidden" has not appeared yet.
 */
export type Kind = "value" | "padding" | "unread" | "inserted" | "hidden";

export interface GridSpec extends Shape {
  readonly label: string; // for assistive technology
  readonly painted?: boolean; // drawn on a canvas even if there are few cells: for cells that change with the focus
  readonly zeroPadding?: boolean; // padding is written as the zeros that are read there; otherwise nothing is there
  readonly scale: number; // the size that is an end of the colours
  readonly map?: "sequential"; // for magnitudes; diverging by default
  value(plane: number, row: number, column: number): number;
  colour?(plane: number, row: number, column: number): Rgb | null; // in place of the map's, where it is not null
  kind?(plane: number, row: number, column: number): Kind;
  planeLabel?(plane: number): string;
  band?(plane: number): number; // the group a plane belongs to, drawn as a band beside its label
  describe?(cell: Cell): string; // the cell in words
  written?(value: number): string; // a value in its cell, where it is not a plain number
}

/**
 * window: the one thing talked about; read: what it touches; tap: one product of it;
 * use: every copy and use of it.
 */
export type Role = "use" | "read" | "window" | "tap";

export interface Mark extends Cell {
  readonly role: Role;
  readonly rows?: number; // 1 by default
  readonly columns?: number;
}
