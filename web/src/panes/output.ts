// The output: an image for each filter, or the output matrix, one filter in each row.

import type { Grid } from "../drawing/grid";
import type { Cell } from "../drawing/grid_layout";
import type { GridSpec, Mark } from "../drawing/grid_spec";
import { short } from "../drawing/numbers";
import { filterOf, firstFilterOf, outputAt } from "../model/focus";
import type { Focus, OutputFocus } from "../model/focus";
import { filtersPerGroup, gemm, groupOf, outputShape, readersOf } from "../model/problem";
import type { Scene } from "../numerics/scene";
import type { Context, Room } from "./context";
import { appearing, block, blockNote, FILTER, pane, plural } from "./pane";
import type { PaneContent } from "./pane";

const MOST_GROUPS = 6;

interface View {
  readonly shape: Pick<GridSpec, "planes" | "rows" | "columns" | "labelled"> & Partial<GridSpec>;
  readonly notes: readonly string[];
  outputOf(cell: Cell): OutputFocus;
  cellOf(filter: number, row: number, column: number): Cell;
}

type Outputs = PaneContent<[filter: number, row: number, column: number]>;

const outputs = (scene: Scene, flat: boolean): Outputs => ({
  title: flat ? "Output matrix" : "Output",
  symbol: "y",
  planes: [FILTER],
  get scale() {
    return scene.outputScale;
  },
  value: (filter, row, column) => scene.outputAt(filter, row, column),
});

/** marked: what to mark in the flat matrices, a plane for each group; by default what the focus is linked to. */
export function outputPane(
  context: Context,
  room: Room,
  flat = false,
  marked?: (focus: Focus) => Mark[],
  shown = outputs(context.scene, flat),
): { element: HTMLElement; grid: Grid } {
  const { scene, store } = context;
  const { problem, original } = scene;
  const [, out, height, width] = outputShape(original);
  const view = flat ? rows(scene, store.get().focus) : pictures(scene, store.get().focus);
  const isHidden = ({ row, column }: OutputFocus): boolean => {
    const { revealed } = store.get();
    return revealed !== null && row * width + column >= revealed;
  };
  const output = pane(
    context,
    {
      name: "output",
      title: shown.title,
      shape: flat ? `[${gemm(problem).m}, ${scene.positions}]` : `[${outputShape(original).join(", ")}]`,
      notes: view.notes,
      grid: {
        ...view.shape,
        label: `${shown.title}, ${plural(out, "filter")} of ${height} by ${width}`,
        get scale() {
          return shown.scale;
        },
        value: (plane, row, column) => {
          const at = view.outputOf({ plane, row, column });
          return shown.value(at.filter, at.row, at.column);
        },
        kind: (plane, row, column) => (isHidden(view.outputOf({ plane, row, column })) ? "hidden" : "value"),
        describe: (cell) => {
          const at = view.outputOf(cell);
          if (isHidden(at)) return `${shown.symbol}[${at.filter}, ${at.row}, ${at.column}], not computed yet`;
          return `${shown.symbol}[${at.filter}, ${at.row}, ${at.column}] = ${short(shown.value(at.filter, at.row, at.column), 4)}`;
        },
      },
      marks: (focus) => (marked ? shifted(marked(focus), view) : marks(scene, focus, view)).filter(({ plane }) => plane >= 0 && plane < view.shape.planes),
      focusOf: (cell) => view.outputOf(cell),
      alternative: (focus) => alternative(scene, shown, focus, isHidden),
    },
    room,
  );
  context.onNumbers(() => output.grid.repaint());
  appearing(context, output.grid, ({ revealed }) => revealed);
  return output;
}

/** Marks of groups, where the first that is drawn is another one. */
function shifted(marks: readonly Mark[], view: View): Mark[] {
  const first = view.cellOf(0, 0, 0).plane;
  return marks.map((mark) => ({ ...mark, plane: mark.plane + first }));
}

function pictures(scene: Scene, focus: Focus): View {
  const { problem } = scene;
  const [height, width] = scene.axes;
  const filter = filterOf(scene.problem, focus);
  const drawn = block(problem.outChannels, filter);
  return {
    shape: {
      planes: drawn.end - drawn.start,
      rows: height.outputSize,
      columns: width.outputSize,
      labelled: problem.outChannels > 1,
      planeLabel: (plane) => `f = ${drawn.start + plane}`,
      ...(problem.groups > 1 ? { band: (plane: number) => groupOf(problem, drawn.start + plane) } : {}),
    },
    notes: blockNote("filters", problem.outChannels, drawn),
    outputOf: ({ plane, row, column }) => outputAt(drawn.start + plane, row, column),
    cellOf: (f, row, column) => ({ plane: f - drawn.start, row, column }),
  };
}

function rows(scene: Scene, focus: Focus): View {
  const { problem } = scene;
  const { m } = gemm(problem);
  const wide = scene.axes[1].outputSize;
  const filter = filterOf(scene.problem, focus);
  const drawn = block(problem.groups, groupOf(problem, filter), MOST_GROUPS);
  return {
    shape: {
      planes: drawn.end - drawn.start,
      rows: m,
      columns: scene.positions,
      across: 1,
      square: false,
      largestCell: 44,
      labelled: problem.groups > 1,
      planeLabel: (plane) => `group ${drawn.start + plane}`,
      ...(problem.groups > 1 ? { band: (plane: number) => drawn.start + plane } : {}),
    },
    notes: blockNote("groups", problem.groups, drawn),
    outputOf: ({ plane, row, column }) =>
      outputAt((drawn.start + plane) * m + row, Math.floor(column / wide), column % wide),
    cellOf: (f, row, column) => ({ plane: Math.floor(f / m) - drawn.start, row: f % m, column: row * wide + column }),
  };
}

function marks(scene: Scene, focus: Focus, view: View): Mark[] {
  const { problem } = scene;
  const [height, width] = scene.axes;
  if (focus.kind === "output") return [{ role: "window", ...view.cellOf(focus.filter, focus.row, focus.column) }];
  if (focus.kind === "weight") {
    const whole = view.shape.rows === height.outputSize && view.shape.columns === width.outputSize;
    const size = whole ? { rows: height.outputSize, columns: width.outputSize } : { columns: scene.positions };
    return [{ role: "window", ...view.cellOf(focus.filter, 0, 0), ...size }];
  }
  const uses: Mark[] = [];
  const first = firstFilterOf(scene.problem, focus.channel);
  for (let filter = first; filter < first + filtersPerGroup(problem); filter++) {
    for (const down of readersOf(height, focus.row)) {
      for (const across of readersOf(width, focus.column)) {
        uses.push({ role: "use", ...view.cellOf(filter, down.output, across.output) });
      }
    }
  }
  return uses;
}

function alternative(scene: Scene, shown: Outputs, focus: Focus, isHidden: (at: OutputFocus) => boolean): string {
  const [, filters, height, width] = outputShape(scene.original);
  const size = `${shown.title}: ${plural(filters, "filter")}, ${height} by ${width}.`;
  if (focus.kind === "weight") return `${size} Every output of filter ${focus.filter} adds a product with the weight.`;
  if (focus.kind === "input") {
    const [down, across] = [readersOf(scene.axes[0], focus.row), readersOf(scene.axes[1], focus.column)];
    return `${size} ${plural(down.length * across.length, "output")} of each filter of its group use the pixel.`;
  }
  if (isHidden(focus)) return `${size} At filter ${focus.filter}, row ${focus.row}, column ${focus.column} the sum is not complete yet.`;
  const value = short(shown.value(focus.filter, focus.row, focus.column));
  return `${size} At filter ${focus.filter}, row ${focus.row}, column ${focus.column} it is ${value}.`;
}
