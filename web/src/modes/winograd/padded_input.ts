// The input, padded to whole tiles. Tiles overlap: each starts where the outputs of the one before it end.

import type { Rgb } from "../../drawing/colour";
import type { Mark } from "../../drawing/grid_spec";
import { short } from "../../drawing/numbers";
import { channelColour } from "../../drawing/photograph";
import { channelOf } from "../../model/focus";
import type { Focus } from "../../model/focus";
import { axes, channelsPerGroup } from "../../model/problem";
import { paddedToTiles } from "../../numerics/algorithms/winograd";
import type { Context, Room } from "../../panes/context";
import { block, blockNote, pane, plural } from "../../panes/pane";
import type { Tiles } from "./tile";
import { TileOutlines } from "./tile_outlines";

export function paddedPane(context: Context, tiles: Tiles, room: Room): HTMLElement {
  const { scene, store } = context;
  const { problem } = scene;
  const [height, width] = axes(paddedToTiles(problem, tiles.transforms));
  const [top, left] = [height.padding[0], width.padding[0]];
  const drawn = block(problem.inChannels, channelOf(scene.problem, store.get().focus));
  const outside = (row: number, column: number): boolean =>
    row < top || row >= top + height.inputSize || column < left || column >= left + width.inputSize;
  const colour = (plane: number, row: number, column: number): Rgb =>
    channelColour(scene.pixel(drawn.start + plane, row - top, column - left), drawn.start + plane, scene.photograph === "coloured");
  const perGroup = channelsPerGroup(problem);
  const [tall, wide] = tiles.elements;

  const frames = (focus: Focus): Omit<Mark, "role">[] => {
    const { at, firstChannel } = tiles.tileOf(focus);
    const corner = { row: at[0] * tiles.outputs[0], column: at[1] * tiles.outputs[1], rows: tall, columns: wide };
    return Array.from({ length: perGroup }, (_, channel) => ({ plane: firstChannel + channel - drawn.start, ...corner }));
  };
  const drawnPane = pane(
    context,
    {
      name: "padded",
      title: "Padded input",
      shape: `[${[problem.batch, problem.inChannels, height.paddedSize, width.paddedSize].join(", ")}]`,
      notes: [
        `${plural(tiles.number[0] * tiles.number[1], "tile")} of ${tall} × ${wide} pixels, ${tiles.outputs.join(" × ")} apart: neighbours overlap.`,
        ...blockNote("channels", problem.inChannels, drawn),
      ],
      grid: {
        label: `Padded input, ${plural(problem.inChannels, "channel")} of ${height.paddedSize} by ${width.paddedSize}`,
        planes: drawn.end - drawn.start,
        rows: height.paddedSize,
        columns: width.paddedSize,
        labelled: problem.inChannels > 1,
        zeroPadding: true,
        scale: scene.inputScale,
        value: (plane, row, column) => scene.pixel(drawn.start + plane, row - top, column - left),
        ...(scene.photograph ? { colour } : {}),
        kind: (_plane, row, column) => (outside(row, column) ? "padding" : "value"),
        planeLabel: (plane) => `c = ${drawn.start + plane}`,
        ...(problem.groups > 1 ? { band: (plane: number) => Math.floor((drawn.start + plane) / perGroup) } : {}),
        describe: ({ plane, row, column }) =>
          outside(row, column)
            ? "padding, 0"
            : `x[${drawn.start + plane}, ${row - top}, ${column - left}] = ${short(scene.pixel(drawn.start + plane, row - top, column - left), 4)}`,
      },
      marks: (focus) => {
        if (focus.kind === "input") return [{ role: "window", plane: focus.channel - drawn.start, row: focus.row + top, column: focus.column + left }];
        if (focus.kind === "weight") return [];
        const { firstChannel } = tiles.tileOf(focus);
        const window = { row: focus.row, column: focus.column, rows: problem.kernelSize[0], columns: problem.kernelSize[1] };
        return Array.from({ length: perGroup }, (_, channel): Mark => ({ role: "window", plane: firstChannel + channel - drawn.start, ...window })).filter(
          ({ plane }) => plane >= 0 && plane < drawn.end - drawn.start,
        );
      },
      focusOf: ({ plane, row, column }) =>
        outside(row, column) ? null : { kind: "input", channel: drawn.start + plane, row: row - top, column: column - left },
      step: (focus, rows, columns) =>
        focus.kind === "input"
          ? { ...focus, row: focus.row + rows, column: focus.column + columns }
          : { kind: "input", channel: channelOf(scene.problem, focus), row: 0, column: 0 },
      alternative: (focus) => {
        const { at } = tiles.tileOf(focus);
        return `The padded input, cut into ${tiles.number.join(" by ")} tiles. Tile ${at.join(", ")} is in focus: ${tall} by ${wide} pixels.`;
      },
    },
    room,
  );
  const outlines = new TileOutlines(drawnPane.grid, ...tiles.outputs);
  context.onState(({ focus }) => outlines.show(frames(focus)));
  return drawnPane.element;
}
