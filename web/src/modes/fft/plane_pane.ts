// One plane of the transform's size as a pane. Its numbers are computed again only when they have changed.

import type { Grid } from "../../drawing/grid";
import { short } from "../../drawing/numbers";
import { clamp } from "../../model/arithmetic";
import type { Pair } from "../../model/problem";
import { largestMagnitude } from "../../numerics/arrays";
import type { Context, Room } from "../../panes/context";
import type { Hovered } from "../../panes/hovered";
import { pane } from "../../panes/pane";
import { centred } from "./planes";
import type { Plane } from "./planes";
import { signedFrequency } from "./spectra";

export interface PlanePane {
  readonly plane: Plane;
  readonly element: HTMLElement;
  readonly grid: Grid;
  /** Discards the numbers, which have changed. */
  forget(): void;
  mark(): void;
}

export function planePane(context: Context, plane: Plane, lengths: Pair, hovered: Hovered, room: Room): PlanePane {
  const [rows, columns] = lengths;
  const { colour } = plane;
  let numbers: Float64Array | null = null;
  let end = 0;
  const read = (): Float64Array => {
    if (numbers) return numbers;
    numbers = plane.numbers();
    end = plane.scale?.() ?? largestMagnitude(numbers);
    return numbers;
  };
  const value = (row: number, column: number): number => read()[row * columns + column];
  const describe = (row: number, column: number): string => {
    const written = Number.isNaN(value(row, column)) ? "0" : short(value(row, column), 4);
    if (!plane.frequencies) return `${plane.symbol}[${row}, ${column}] = ${written}`;
    const [k, l] = centred([row, column], lengths);
    return `frequency ${signedFrequency(k, rows)}, ${signedFrequency(l, columns)}: ${written}`;
  };
  const events = {
    hovered: (cell: { row: number; column: number } | null) => hovered.set(cell && centred([cell.row, cell.column], lengths)),
    step: <Focus>(focus: Focus, down: number, across: number): Focus => {
      const [row, column] = centred(hovered.get() ?? [0, 0], lengths);
      hovered.set(centred([clamp(row + down, 0, rows - 1), clamp(column + across, 0, columns - 1)], lengths));
      return focus;
    },
  };
  const drawnPane = pane(
    context,
    {
      name: plane.name,
      title: plane.title,
      shape: plane.unit,
      notes: [],
      grid: {
        label: `${plane.title}, ${rows} by ${columns}`,
        planes: 1,
        rows,
        columns,
        get scale() {
          read();
          return end;
        },
        value: (_plane, row, column) => value(row, column),
        ...(colour ? { colour: (_plane: number, row: number, column: number) => colour(value(row, column)) } : {}),
        kind: (_plane, row, column) => plane.kind?.(row, column) ?? "value",
        describe: ({ row, column }) => describe(row, column),
      },
      marks: (focus) => plane.marks(focus),
      focusOf: ({ row, column }) => plane.focusOf(row, column),
      ...(plane.frequencies ? events : {}),
      alternative: () => `${plane.about}: ${rows} by ${columns}, up to ${short(end)} in size.`,
    },
    room,
  );
  return { plane, ...drawnPane, forget: () => (numbers = null), mark: () => drawnPane.grid.mark(plane.marks(context.store.get().focus)) };
}
