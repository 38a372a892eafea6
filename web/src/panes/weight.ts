// The weight: as filters of channels, or as the weight matrix, one filter in each row.

import type { Grid } from "../drawing/grid";
import type { Cell } from "../drawing/grid_layout";
import type { GridSpec, Mark } from "../drawing/grid_spec";
import { short } from "../drawing/numbers";
import { weightPlace } from "../model/edits";
import { channelOf, filterOf, firstFilterOf } from "../model/focus";
import type { Focus } from "../model/focus";
import { channelsPerGroup, filtersPerGroup, gemm, groupOf, readersOf, tapCount, unravel, weightShape } from "../model/problem";
import type { Scene } from "../numerics/scene";
import type { Context, Room } from "./context";
import { block, blockNote, CHANNEL, FILTER, pane, plural } from "./pane";
import type { PaneContent, PlaneIndex } from "./pane";

const MOST_FILTERS = 64;
const MOST_CHANNELS = 64;
const MOST_GROUPS = 6;

interface View {
  readonly shape: Pick<GridSpec, "planes" | "rows" | "columns" | "labelled"> & Partial<GridSpec>;
  readonly notes: readonly string[];
  weightOf(cell: Cell): { filter: number; k: number };
  cellOf(filter: number, k: number): Cell;
}

type Weights = PaneContent<[filter: number, k: number]>;

const weights = (scene: Scene, flat: boolean): Weights => ({
  title: scene.original.transposed ? "Weight, flipped" : flat ? "Weight matrix" : "Weight",
  symbol: "w",
  planes: [FILTER, CHANNEL],
  scale: scene.weightScale,
  value: (filter, k) => scene.weightAt(filter, k),
  edited: (filter, k) => weightPlace(scene.original, filter, k),
});

/** marked: what to mark in the flat matrices, a plane for each group; by default what the focus is linked to. */
export function weightPane(
  context: Context,
  room: Room,
  flat = false,
  marked?: (focus: Focus) => Mark[],
  shown = weights(context.scene, flat),
): { element: HTMLElement; grid: Grid } {
  const { scene, store } = context;
  const { problem, original } = scene;
  const { edited } = shown;
  const view = flat ? rows(scene, store.get().focus) : filters(scene, store.get().focus, shown.planes);
  const inView = ({ plane }: Cell): boolean => plane >= 0 && plane < view.shape.planes;
  return pane(
    context,
    {
      name: "weight",
      title: shown.title,
      shape: flat ? `[${gemm(problem).m}, ${gemm(problem).k}]` : `[${weightShape(original).join(", ")}]`,
      notes: view.notes,
      grid: {
        ...view.shape,
        label: `${shown.title}, ${plural(problem.outChannels, "filter")} of ${plural(channelsPerGroup(problem), "channel")}, ${problem.kernelSize.join(" by ")}`,
        get scale() {
          return shown.scale;
        },
        value: (plane, row, column) => {
          const { filter, k } = view.weightOf({ plane, row, column });
          return shown.value(filter, k);
        },
        describe: (cell) => {
          const { filter, k } = view.weightOf(cell);
          return `${shown.symbol}[${[filter, ...unravel(problem, k)].join(", ")}] = ${short(shown.value(filter, k), 4)}`;
        },
      },
      marks: (focus) => (marked ? shifted(marked(focus), view) : marks(scene, focus, view, flat)).filter(inView),
      focusOf: (cell) => ({ kind: "weight", ...view.weightOf(cell) }),
      ...(edited
        ? {
            place: (cell: Cell) => {
              const { filter, k } = view.weightOf(cell);
              return edited(filter, k);
            },
          }
        : {}),
      step: (focus, down, across) => {
        if (focus.kind !== "weight") return { kind: "weight", filter: focus.kind === "output" ? focus.filter : 0, k: 0 };
        const by = flat ? across : down * problem.kernelSize[1] + across;
        return { ...focus, k: focus.k + by, filter: focus.filter + (flat ? down : 0) };
      },
      alternative: (focus) => alternative(scene, shown, focus),
    },
    room,
  );
}

/** Marks of groups, where the first that is drawn is another one. */
function shifted(marks: readonly Mark[], view: View): Mark[] {
  const first = view.cellOf(0, 0).plane;
  return marks.map((mark) => ({ ...mark, plane: mark.plane + first }));
}

/** Every filter's channels side by side. */
function filters(scene: Scene, focus: Focus, [outer, inner]: readonly PlaneIndex[]): View {
  const { problem } = scene;
  const perGroup = channelsPerGroup(problem);
  const [tall, wide] = problem.kernelSize;
  const filter = filterOf(scene.problem, focus);
  const across = block(perGroup, channelOf(scene.problem, focus) % perGroup, MOST_CHANNELS);
  const down = block(problem.outChannels, filter, MOST_FILTERS);
  const width = across.end - across.start;
  const indicesOf = (plane: number): [filter: number, channel: number] => [
    down.start + Math.floor(plane / width),
    across.start + (plane % width),
  ];
  return {
    shape: {
      planes: (down.end - down.start) * width,
      rows: tall,
      columns: wide,
      together: width,
      labelled: problem.outChannels * perGroup > 1,
      planeLabel: (plane) => {
        const [f, c] = indicesOf(plane);
        return perGroup === 1 ? `${outer.letter} = ${f}` : problem.outChannels === 1 ? `${inner.letter} = ${c}` : `${outer.letter}${f} ${inner.letter}${c}`;
      },
      ...(problem.groups > 1 ? { band: (plane: number) => groupOf(problem, indicesOf(plane)[0]) } : {}),
    },
    notes: [...blockNote(outer.plural, problem.outChannels, down), ...blockNote(inner.plural, perGroup, across)],
    weightOf: ({ plane, row, column }) => {
      const [f, c] = indicesOf(plane);
      return { filter: f, k: (c * tall + row) * wide + column };
    },
    cellOf: (f, k) => {
      const [channel, row, column] = unravel(problem, k);
      const outside = channel < across.start || channel >= across.end;
      return { plane: outside ? -1 : (f - down.start) * width + channel - across.start, row, column };
    },
  };
}

/** One filter a row, one matrix a group: what multiplies the im2col matrix. */
function rows(scene: Scene, focus: Focus): View {
  const { problem } = scene;
  const { m, k } = gemm(problem);
  const group = Math.floor(channelOf(scene.problem, focus) / channelsPerGroup(problem));
  const drawn = block(problem.groups, group, MOST_GROUPS);
  return {
    shape: {
      planes: drawn.end - drawn.start,
      rows: m,
      columns: k,
      across: 1,
      square: false,
      largestCell: 44,
      labelled: problem.groups > 1,
      planeLabel: (plane) => `group ${drawn.start + plane}`,
      ...(problem.groups > 1 ? { band: (plane: number) => drawn.start + plane } : {}),
    },
    notes: blockNote("groups", problem.groups, drawn),
    weightOf: ({ plane, row, column }) => ({ filter: (drawn.start + plane) * m + row, k: column }),
    cellOf: (f, at) => ({ plane: Math.floor(f / m) - drawn.start, row: f % m, column: at }),
  };
}

function marks(scene: Scene, focus: Focus, view: View, flat: boolean): Mark[] {
  const { problem } = scene;
  const perGroup = channelsPerGroup(problem);
  const [tall, wide] = problem.kernelSize;
  if (focus.kind === "weight") return [{ role: "window", ...view.cellOf(focus.filter, focus.k) }];
  if (focus.kind === "output") {
    const result: Mark[] = flat
      ? [{ role: "window", ...view.cellOf(focus.filter, 0), columns: perGroup * tapCount(problem) }]
      : Array.from({ length: perGroup }, (_, channel) => ({
          role: "window" as const,
          ...view.cellOf(focus.filter, channel * tapCount(problem)),
          rows: tall,
          columns: wide,
        }));
    if (focus.tap !== null) result.push({ role: "tap", ...view.cellOf(focus.filter, focus.tap) });
    return result;
  }
  const [height, width] = scene.axes;
  const uses: Mark[] = [];
  const taps = new Set<number>();
  for (const down of readersOf(height, focus.row)) {
    for (const across of readersOf(width, focus.column)) taps.add(down.tap * wide + across.tap);
  }
  const first = firstFilterOf(scene.problem, focus.channel);
  for (let filter = first; filter < first + filtersPerGroup(problem); filter++) {
    for (const tap of taps) {
      uses.push({ role: "use", ...view.cellOf(filter, (focus.channel % perGroup) * tapCount(problem) + tap) });
    }
  }
  return uses;
}

function alternative(scene: Scene, shown: Weights, focus: Focus): string {
  const { problem } = scene;
  const size = `${shown.title}: ${plural(problem.outChannels, "filter")}, each of ${plural(channelsPerGroup(problem), "channel")}, ${problem.kernelSize.join(" by ")}.`;
  if (focus.kind === "input") return `${size} The weights that multiply the pixel are marked.`;
  if (focus.kind === "output" && focus.tap === null) return `${size} Filter ${focus.filter} computes the output.`;
  const k = focus.kind === "weight" ? focus.k : (focus.tap ?? 0);
  const [channel, row, column] = unravel(problem, k);
  return `${size} Filter ${focus.filter} at channel ${channel}, row ${row}, column ${column} is ${short(shown.value(focus.filter, k))}.`;
}
