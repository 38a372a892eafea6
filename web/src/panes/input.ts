// The input: padding is hatched, pixels that no window reads are dimmed.

import type { Grid } from "../drawing/grid";
import type { Rgb } from "../drawing/colour";
import type { Cell } from "../drawing/grid_layout";
import type { Kind, Mark } from "../drawing/grid_spec";
import { short } from "../drawing/numbers";
import { CHANNEL_NAMES, channelColour, pixelColour } from "../drawing/photograph";
import { pixelPlace } from "../model/edits";
import { channelOf } from "../model/focus";
import type { Focus } from "../model/focus";
import { channelsPerGroup, groupOf, inputShape, positionsRead, tapCount, unravel } from "../model/problem";
import type { Axis } from "../model/problem";
import type { Scene } from "../numerics/scene";
import type { Context, Room } from "./context";
import { block, blockNote, CHANNEL, pane, plural } from "./pane";
import type { PaneContent } from "./pane";

interface Pixels extends PaneContent<[channel: number, row: number, column: number]> {
  readonly padded: boolean; // a window reads padding as zeros; a gradient has none there
  readonly photograph?: Scene["photograph"];
}

const pixels = (scene: Scene): Pixels => ({
  title: scene.original.transposed ? "Input with inserted zeros" : "Input",
  symbol: "x",
  planes: [CHANNEL],
  scale: scene.inputScale,
  padded: true,
  photograph: scene.photograph,
  value: (channel, row, column) => scene.pixel(channel, row, column),
  edited: (channel, row, column) => pixelPlace(scene.original, channel, row, column),
});

export function inputPane(context: Context, room: Room, shown = pixels(context.scene)): { element: HTMLElement; grid: Grid } {
  const { scene, store } = context;
  const { problem, original } = scene;
  const [height, width] = scene.axes;
  const [top, left] = [Math.max(0, height.padding[0]), Math.max(0, width.padding[0])];
  const drawn = block(problem.inChannels, channelOf(scene.problem, store.get().focus));
  const whole = shown.photograph === "coloured" && problem.inChannels === CHANNEL_NAMES.length ? 1 : 0; // planes before the channels
  const channelOfPlane = (plane: number): number => drawn.start + plane - whole; // −1: the photograph itself
  const { edited } = shown;
  const [rowsRead, columnsRead] = [positionsRead(height), positionsRead(width)];

  const kind = (_plane: number, row: number, column: number): Kind => {
    const [y, x] = [row - top, column - left];
    if (y < 0 || y >= height.inputSize || x < 0 || x >= width.inputSize) return "padding";
    if (scene.isInsertedZero(y, x)) return "inserted";
    return rowsRead[y] && columnsRead[x] ? "value" : "unread";
  };
  const apart = original.transposed ? original.stride : [1, 1]; // the step from pixel to pixel, over inserted zeros
  const named = (channel: number): string => {
    if (channel < 0) return "photograph";
    return whole ? `c = ${channel} · ${CHANNEL_NAMES[channel]}` : `${shown.planes[0].letter} = ${channel}`;
  };
  const colour = (plane: number, row: number, column: number): Rgb | null => {
    if (kind(plane, row, column) === "inserted") return null;
    const channel = channelOfPlane(plane);
    const at = (of: number): number => shown.value(of, row - top, column - left);
    return channel < 0 ? pixelColour(at(0), at(1), at(2)) : channelColour(at(channel), channel, shown.photograph === "coloured");
  };

  return pane(
    context,
    {
      name: "input",
      title: shown.title,
      shape: `[${inputShape(original).join(", ")}]`,
      notes: [...notes(scene), ...blockNote(shown.planes[0].plural, problem.inChannels, drawn)],
      grid: {
        label: `${shown.title}, ${plural(problem.inChannels, "channel")} of ${height.inputSize} by ${width.inputSize}`,
        planes: whole + drawn.end - drawn.start,
        rows: top + height.inputSize + Math.max(0, height.padding[1]),
        columns: left + width.inputSize + Math.max(0, width.padding[1]),
        labelled: problem.inChannels > 1,
        zeroPadding: shown.padded,
        get scale() {
          return shown.scale;
        },
        value: (plane, row, column) =>
          plane < whole || kind(plane, row, column) === "padding" ? NaN : shown.value(channelOfPlane(plane), row - top, column - left),
        ...(shown.photograph ? { colour } : {}),
        kind,
        planeLabel: (plane) => named(channelOfPlane(plane)),
        ...(problem.groups > 1 ? { band: (plane: number) => Math.floor(channelOfPlane(plane) / channelsPerGroup(problem)) } : {}),
        describe: ({ plane, row, column }) => {
          const kindOf = kind(plane, row, column);
          if (kindOf === "padding") return "padding, 0";
          const channel = channelOfPlane(plane);
          const numberAt = (of: number): string => short(shown.value(of, row - top, column - left), 4);
          if (channel < 0) return `pixel ${row - top}, ${column - left}: ${CHANNEL_NAMES.map((name, of) => `${name} ${numberAt(of)}`).join(", ")}`;
          const at = `${shown.symbol}[${channel}, ${row - top}, ${column - left}]`;
          const value = numberAt(channel);
          return `${at} = ${value}${kindOf === "unread" ? ", not read by any window" : ""}`;
        },
      },
      marks: (focus) => {
        const marks = inputMarks(scene, focus).map((mark) => ({ ...mark, row: mark.row + top, column: mark.column + left }));
        const inChannels = marks.map((mark) => ({ ...mark, plane: mark.plane - drawn.start + whole }));
        const once = marks.filter(({ plane, role }) => role === "window" && plane === marks[0].plane);
        const inPhotograph = whole ? once.map((mark) => ({ ...mark, plane: 0 })) : [];
        return [...inChannels.filter(({ plane }) => plane >= whole && plane < whole + drawn.end - drawn.start), ...inPhotograph];
      },
      focusOf: ({ plane, row, column }: Cell) =>
        kind(plane, row, column) === "padding"
          ? null
          : { kind: "input", channel: plane < whole ? channelOf(problem, store.get().focus) : channelOfPlane(plane), row: row - top, column: column - left },
      ...(edited ? { place: ({ plane, row, column }: Cell) => (plane < whole ? null : edited(channelOfPlane(plane), row - top, column - left)) } : {}),
      step: (focus, rows, columns) =>
        focus.kind === "input"
          ? { ...focus, row: focus.row + rows * apart[0], column: focus.column + columns * apart[1] }
          : { kind: "input", channel: channelOf(scene.problem, focus), row: 0, column: 0 },
      alternative: (focus) => alternative(scene, shown, focus),
    },
    room,
  );
}

/** Marks in the input's own coordinates, padding before it negative. */
export function inputMarks(scene: Scene, focus: Focus): Mark[] {
  const { problem } = scene;
  const [height, width] = scene.axes;
  if (focus.kind === "input") return [{ role: "window", plane: focus.channel, row: focus.row, column: focus.column }];
  const perGroup = channelsPerGroup(problem);
  const first = groupOf(problem, focus.filter) * perGroup;
  const place = (axis: Axis, output: number, tap: number): number =>
    output * axis.stride + tap * axis.dilation - axis.padding[0];

  if (focus.kind === "weight") {
    const [channel, tapRow, tapColumn] = unravel(problem, focus.k);
    const uses: Mark[] = [];
    for (let row = 0; row < height.outputSize; row++) {
      for (let column = 0; column < width.outputSize; column++) {
        uses.push({ role: "use", plane: first + channel, row: place(height, row, tapRow), column: place(width, column, tapColumn) });
      }
    }
    return uses;
  }
  const marks: Mark[] = [];
  const corner = { row: place(height, focus.row, 0), column: place(width, focus.column, 0) };
  const holes = height.dilation > 1 || width.dilation > 1;
  for (let channel = first; channel < first + perGroup; channel++) {
    marks.push({ role: "window", plane: channel, ...corner, rows: height.extent, columns: width.extent });
    for (let tap = 0; holes && tap < tapCount(problem); tap++) {
      const [, tapRow, tapColumn] = unravel(problem, tap);
      marks.push({ role: "read", plane: channel, row: place(height, focus.row, tapRow), column: place(width, focus.column, tapColumn) });
    }
  }
  if (focus.tap !== null) {
    const [channel, tapRow, tapColumn] = unravel(problem, focus.tap);
    const at = { row: place(height, focus.row, tapRow), column: place(width, focus.column, tapColumn) };
    marks.push({ role: "tap", plane: first + channel, ...at });
  }
  return marks;
}

/** What the drawing does not explain by itself: unread rows, uneven padding, negative padding. */
function notes(scene: Scene): string[] {
  const { original, axes } = scene;
  const texts: string[] = [];
  if (original.batch > 1) texts.push(`Only image 0 of ${original.batch} is drawn; the costs are those of the whole batch.`);
  if (original.transposed && Math.max(...original.stride) > 1) {
    texts.push(`stride ${original.stride.join(" × ")} inserts zeros (dots) between the pixels.`);
  }
  const uneven = axes.find(({ padding: [before, after] }) => original.same && before !== after);
  if (uneven) {
    const [before, after] = uneven.padding;
    texts.push(`‘same’ needs a total padding of ${before + after} along the ${uneven.name}: ${before} before, ${after} after.`);
  }
  const left = axes.filter(({ leftover }) => leftover > 0).map(({ name, leftover }) => last(leftover, name === "height" ? "row" : "column"));
  if (left.length) texts.push(`No window reaches the last ${left.join(" or ")}: the output size is rounded down.`);
  if (original.transposed && axes.some(({ padding }) => Math.min(...padding) < 0)) {
    texts.push("padding removes more than the kernel adds, so the first window starts inside the input.");
  }
  return texts;
}

const last = (number: number, line: string): string => (number === 1 ? line : `${number} ${line}s`);

function alternative(scene: Scene, shown: Pixels, focus: Focus): string {
  const { original } = scene;
  const size = `${shown.title}: ${plural(original.inChannels, "channel")} of ${original.inputSize.join(" by ")}.`;
  if (focus.kind === "input") {
    return `${size} At channel ${focus.channel}, row ${focus.row}, column ${focus.column} it is ${short(shown.value(focus.channel, focus.row, focus.column))}.`;
  }
  if (focus.kind === "weight") return `${size} Every pixel that the weight multiplies is marked.`;
  const [height, width] = scene.axes;
  const row = focus.row * height.stride - height.padding[0];
  const column = focus.column * width.stride - width.padding[0];
  return `${size} The window starts at row ${row}, column ${column}, and spans ${height.extent} by ${width.extent}.`;
}
