// The arrays of one tile, each beside the one it is computed from, and the products of every channel below.

import { html } from "../../drawing/dom";
import type { Grid } from "../../drawing/grid";
import type { Cell } from "../../drawing/grid_layout";
import { cell, short } from "../../drawing/numbers";
import { Repainter } from "../../drawing/repainter";
import { clamp } from "../../model/arithmetic";
import { outputAt } from "../../model/focus";
import type { Focus } from "../../model/focus";
import { channelsPerGroup, tapCount } from "../../model/problem";
import type { Context, Room } from "../../panes/context";
import type { Hovered } from "../../panes/hovered";
import { block, blockNote, pane, plural } from "../../panes/pane";
import type { Tiles } from "./tile";
import { tileArrays } from "./tile_arrays";
import type { Drawn, TileArray } from "./tile_arrays";

const BETWEEN = 56; // pixels between an array and the next one
const TITLE = 112; // pixels, of the longest
const LARGEST_CELL = 60;
const MOST_NUMBERED = 8; // channels, of those drawn small

/** room: of the lanes, and beneath or beside them of the channels. */
export function pipeline(context: Context, tiles: Tiles, element: Hovered, room: Room, beside: Room): { path: HTMLElement; below: HTMLElement[]; stop(): void } {
  const { scene, store } = context;
  const drawn: Drawn = { tile: tiles.tileOf(store.get().focus), channel: tiles.channelOf(store.get().focus) };
  context.onState(({ focus }) => Object.assign(drawn, { tile: tiles.tileOf(focus), channel: tiles.channelOf(focus) }));

  const narrow = room.width < 620;
  const cells = (narrow ? 2 : 3) * tiles.elements[1];
  const free = room.width - (narrow ? 1 : 3) * BETWEEN;
  const fitting = narrow ? free / cells : Math.min(free / (cells + tiles.outputs[1]), (free - TITLE) / cells);
  const side = Math.min(fitting, room.height / tiles.elements[0], LARGEST_CELL);
  const parts = tileArrays(scene, tiles, element, drawn).map((part) => partPane(context, part, element, side));
  const caption = html("p", { class: "note caption" });
  const lanes = html("div", { class: narrow ? "lanes narrow" : "lanes", style: `column-gap:${BETWEEN}px` }, ...parts.map(({ element: drawnPane }) => drawnPane));
  const grids = parts.map(({ grid }) => grid);
  const below: HTMLElement[] = [];
  if (channelsPerGroup(scene.problem) > 1) {
    const channels = channelsPane(context, tiles, drawn, beside);
    below.push(channels.element);
    grids.push(channels.grid);
  }

  const repainter = new Repainter();
  let before = { ...drawn };
  context.onState(() => {
    if (before.tile !== drawn.tile || before.channel !== drawn.channel) repainter.change(grids);
    before = { ...drawn };
    caption.textContent = captionOf(drawn, tiles, element);
  });
  element.onChange(() => {
    caption.textContent = captionOf(drawn, tiles, element);
    for (const { mark } of parts) mark(store.get().focus);
  });
  return { path: html("div", { class: "path" }, lanes, caption), below, stop: () => repainter.stop() };
}

function partPane(context: Context, part: TileArray, element: Hovered, side: number): { element: HTMLElement; grid: Grid; mark(focus: Focus): void } {
  const [rows, columns] = part.size;
  const value = (row: number, column: number): number => part.value(row * columns + column);
  const drawnPane = pane(
    context,
    {
      name: part.name,
      title: part.title,
      shape: `[${part.size.join(", ")}]`,
      notes: [],
      grid: {
        label: `${part.title}, ${rows} by ${columns}`,
        planes: 1,
        rows,
        columns,
        largestCell: side,
        get scale() {
          return part.scale();
        },
        value: (_plane, row, column) => value(row, column),
        kind: (_plane, row, column) => part.kind?.(row, column) ?? "value",
        describe: ({ row, column }) => `${part.name}[${row}, ${column}] = ${short(value(row, column), 4)}`,
      },
      marks: (focus) => part.marks(focus),
      focusOf: ({ row, column }) => part.focusOf(row, column),
      ...(part.elements ? elementEvents(element, rows, columns) : {}),
      alternative: () => {
        const lines = Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (_, column) => cell(value(row, column))).join(" "));
        return `${part.about}, ${rows} by ${columns}: ${lines.join("; ")}.`;
      },
    },
    { width: columns * side, height: rows * side },
  );
  return { ...drawnPane, mark: (focus) => drawnPane.grid.mark(part.marks(focus)) };
}

/** Elements are hovered over, or reached with the arrow keys. */
function elementEvents(element: Hovered, rows: number, columns: number): { hovered(at: Cell | null): void; step(focus: Focus, down: number, across: number): Focus } {
  return {
    hovered: (at) => element.set(at && [at.row, at.column]),
    step: (focus, down, across) => {
      const [row, column] = element.get() ?? [0, 0];
      element.set([clamp(row + down, 0, rows - 1), clamp(column + across, 0, columns - 1)]);
      return focus;
    },
  };
}

function captionOf({ tile, channel }: Drawn, tiles: Tiles, element: Hovered): string {
  const at = element.get();
  const channels = tile.pixels.length;
  if (!at) {
    const drawn = channels > 1 ? `Channel ${tile.firstChannel + channel} is drawn; M sums all ${channels} channels. ` : "";
    return `${drawn}Point at an element of V, U or M to see what it is computed from.`;
  }
  const place = at[0] * tiles.elements[1] + at[1];
  const [v, u] = [tile.transformed[channel][place], tile.filters[channel][place]];
  const sum = channels > 1 ? `; over ${plural(channels, "channel")} that sums to M = ${short(tile.products[place])}` : "";
  return `Element ${at.join(", ")}: V · U = ${short(v)} · ${short(u)} = ${short(v * u)}${sum}.`;
}

/** V ⊙ U of every channel that the filter reads: what M is the sum of. */
function channelsPane(context: Context, tiles: Tiles, drawn: Drawn, room: Room): { element: HTMLElement; grid: Grid } {
  const { scene, store } = context;
  const { problem } = scene;
  const total = channelsPerGroup(problem);
  const shown = block(total, drawn.channel);
  const [rows, columns] = tiles.elements;
  const value = (channel: number, row: number, column: number): number =>
    drawn.tile.transformed[channel][row * columns + column] * drawn.tile.filters[channel][row * columns + column];
  return pane(
    context,
    {
      name: "channels",
      title: "V ⊙ U of each channel",
      shape: `[${[total, rows, columns].join(", ")}]`,
      notes: blockNote("channels", total, shown),
      grid: {
        label: `Products of ${plural(total, "channel")}, ${rows} by ${columns}`,
        planes: shown.end - shown.start,
        rows,
        columns,
        painted: shown.end - shown.start > MOST_NUMBERED,
        labelled: true,
        largestCell: 22,
        get scale() {
          return tiles.scalesOf(drawn.tile.filter).products;
        },
        value: (plane, row, column) => value(shown.start + plane, row, column),
        planeLabel: (plane) => `c = ${drawn.tile.firstChannel + shown.start + plane}`,
        describe: ({ plane, row, column }) =>
          `channel ${drawn.tile.firstChannel + shown.start + plane}, element ${row}, ${column}: ${short(value(shown.start + plane, row, column), 4)}`,
      },
      marks: () => [{ role: "window", plane: drawn.channel - shown.start, row: 0, column: 0, rows, columns }],
      focusOf: ({ plane }) => {
        const { focus } = store.get();
        const k = (shown.start + plane) * tapCount(problem);
        if (focus.kind === "weight") return { ...focus, k: k + (focus.k % tapCount(problem)) };
        if (focus.kind === "input") return { ...focus, channel: drawn.tile.firstChannel + shown.start + plane };
        return outputAt(focus.filter, focus.row, focus.column, k + ((focus.tap ?? 0) % tapCount(problem)));
      },
      alternative: () => `The products of ${plural(total, "channel")}; their sum is M. Channel ${drawn.tile.firstChannel + drawn.channel} is drawn above.`,
    },
    room,
  );
}
