// The im2col matrix: each column is a window, with k rows. A pixel appears once for every window that
// reads it, which is why lowering costs memory.

import type { Rgb } from "../drawing/colour";
import type { Grid } from "../drawing/grid";
import type { Cell } from "../drawing/grid_layout";
import type { Kind, Mark } from "../drawing/grid_spec";
import { bytesOf, short } from "../drawing/numbers";
import { channelColour } from "../drawing/photograph";
import { pixelPlace } from "../model/edits";
import { channelOf, outputAt } from "../model/focus";
import type { Focus } from "../model/focus";
import { bytes, channelsPerGroup, filtersPerGroup, gemm, groupOf, readersOf, tapCount, unravel } from "../model/problem";
import { columnsRevealed } from "../model/state";
import type { Scene } from "../numerics/scene";
import type { Context, Room } from "./context";
import { appearing, block, blockNote, pane, plural } from "./pane";
import type { PaneContent } from "./pane";

const MOST_GROUPS = 6;

interface Copies extends PaneContent<[group: number, row: number, position: number]> {
  readonly photograph?: Scene["photograph"];
}

/** marked: what to mark, a plane for each group; by default what the focus is linked to. */
export function columnsPane(
  context: Context,
  room: Room,
  largestCell = 44,
  marked: (focus: Focus) => Mark[] = (focus) => columnsMarks(context.scene, focus),
  other?: Copies,
): { element: HTMLElement; grid: Grid } {
  const { scene, store } = context;
  const { problem } = scene;
  const { k } = gemm(problem);
  const positions = scene.positions;
  const perGroup = channelsPerGroup(problem);
  const [height, width] = scene.axes;
  const group = Math.floor(channelOf(scene.problem, store.get().focus) / perGroup);
  const drawn = block(problem.groups, group, MOST_GROUPS);

  const taps = Array.from({ length: k }, (_, row) => unravel(problem, row));
  const yOf = (row: number, n: number): number =>
    Math.floor(n / width.outputSize) * height.stride + taps[row][1] * height.dilation - height.padding[0];
  const xOf = (row: number, n: number): number =>
    (n % width.outputSize) * width.stride + taps[row][2] * width.dilation - width.padding[0];
  const channelAt = (plane: number, row: number): number => (drawn.start + plane) * perGroup + taps[row][0];
  const shown: Copies = other ?? {
    title: "im2col matrix",
    symbol: "x",
    planes: [],
    scale: scene.inputScale,
    photograph: scene.photograph,
    edited: (of, row, n) => pixelPlace(scene.original, of * perGroup + taps[row][0], yOf(row, n), xOf(row, n)),
    value: (of, row, n) => scene.pixel(of * perGroup + taps[row][0], yOf(row, n), xOf(row, n)) || 0, // padding has no number in the input, and is 0 here
  };
  const { edited } = shown;
  let revealed = Infinity; // columns, known once for all cells
  context.onState((state) => (revealed = columnsRevealed(state)));
  const kind = (_plane: number, row: number, n: number): Kind => {
    if (n >= revealed) return "hidden";
    const [y, x] = [yOf(row, n), xOf(row, n)];
    return y < 0 || y >= height.inputSize || x < 0 || x >= width.inputSize ? "padding" : "value";
  };
  const colour = (plane: number, row: number, n: number): Rgb | null =>
    scene.isInsertedZero(yOf(row, n), xOf(row, n)) ? null : channelColour(shown.value(drawn.start + plane, row, n), channelAt(plane, row), shown.photograph === "coloured");
  const size = bytes(scene.original);
  const times = size.columns / size.input;

  const columns = pane(
    context,
    {
      name: "columns",
      title: shown.title,
      shape: `${problem.groups > 1 ? `${problem.groups} × ` : ""}[${k}, ${positions}]`,
      notes: [
        `${bytesOf(size.columns)}, ${short(times, 3)} × the input${times > 1 ? ": windows overlap" : ""}.`,
        ...blockNote("groups", problem.groups, drawn),
      ],
      grid: {
        label: `${shown.title}, ${plural(k, "row")} by ${plural(positions, "column")}`,
        planes: drawn.end - drawn.start,
        rows: k,
        columns: positions,
        across: 1,
        square: false,
        largestCell,
        labelled: problem.groups > 1,
        zeroPadding: !other,
        get scale() {
          return shown.scale;
        },
        value: (plane, row, n) => shown.value(drawn.start + plane, row, n),
        ...(shown.photograph ? { colour } : {}),
        kind,
        planeLabel: (plane) => `group ${drawn.start + plane}`,
        ...(problem.groups > 1 ? { band: (plane: number) => drawn.start + plane } : {}),
        describe: ({ plane, row, column }) => {
          const at = `${shown.symbol}[${channelAt(plane, row)}, ${yOf(row, column)}, ${xOf(row, column)}]`;
          const kindOf = kind(plane, row, column);
          if (kindOf === "hidden") return `row ${row}, column ${column}: not reached yet`;
          const what = kindOf === "padding" ? `padding, ${other ? "dropped" : "0"}` : `${at} = ${short(shown.value(drawn.start + plane, row, column), 4)}`;
          return `row ${row}, column ${column}: ${what}`;
        },
      },
      marks: (focus) =>
        marked(focus)
          .map((mark) => ({ ...mark, plane: mark.plane - drawn.start }))
          .filter(({ plane }) => plane >= 0 && plane < drawn.end - drawn.start),
      focusOf: ({ plane, row, column }) => {
        const { focus } = store.get();
        const here = drawn.start + plane;
        const filter = focus.kind !== "input" && groupOf(problem, focus.filter) === here ? focus.filter : here * filtersPerGroup(problem);
        return outputAt(filter, Math.floor(column / width.outputSize), column % width.outputSize, row);
      },
      ...(edited ? { place: ({ plane, row, column }: Cell) => edited(drawn.start + plane, row, column) } : {}),
      alternative: (focus) => alternative(scene, shown, focus),
    },
    room,
  );
  appearing(context, columns.grid, columnsRevealed);
  return columns;
}

export function columnsMarks(scene: Scene, focus: Focus): Mark[] {
  const { problem } = scene;
  const { k } = gemm(problem);
  const [height, width] = scene.axes;
  if (focus.kind === "output") {
    const plane = groupOf(problem, focus.filter);
    const column = focus.row * width.outputSize + focus.column;
    const marks: Mark[] = [{ role: "window", plane, row: 0, column, rows: k }];
    if (focus.tap !== null) marks.push({ role: "tap", plane, row: focus.tap, column });
    return marks;
  }
  if (focus.kind === "weight") {
    return [{ role: "window", plane: groupOf(problem, focus.filter), row: focus.k, column: 0, columns: scene.positions }];
  }
  const perGroup = channelsPerGroup(problem);
  const plane = Math.floor(focus.channel / perGroup);
  const marks: Mark[] = [];
  for (const down of readersOf(height, focus.row)) {
    for (const across of readersOf(width, focus.column)) {
      const row = (focus.channel % perGroup) * tapCount(problem) + down.tap * width.kernelSize + across.tap;
      marks.push({ role: "use", plane, row, column: down.output * width.outputSize + across.output });
    }
  }
  return marks;
}

function alternative(scene: Scene, { title }: Copies, focus: Focus): string {
  const { k } = gemm(scene.problem);
  const size = `${title}: ${plural(k, "row")} and ${plural(scene.positions, "column")}${scene.problem.groups > 1 ? " in each group" : ""}.`;
  if (focus.kind === "output") {
    return `${size} The window is column ${focus.row * scene.axes[1].outputSize + focus.column}${focus.tap === null ? "" : `, and the pixel of the product is in row ${focus.tap}`}.`;
  }
  if (focus.kind === "weight") return `${size} The weight multiplies row ${focus.k}.`;
  return `${size} The pixel appears in it ${plural(columnsMarks(scene, focus).length, "time")}.`;
}
