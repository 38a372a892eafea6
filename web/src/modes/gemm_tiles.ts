// GEMM tiles: the matrix product as the kernel computes it. Blocks fit the caches; inside a block, a tile of
// running sums stays in registers for the whole loop over k.

import { html } from "../drawing/dom";
import { Grid } from "../drawing/grid";
import type { GridSpec, Mark } from "../drawing/grid_spec";
import { bytesOf, short } from "../drawing/numbers";
import { DTYPES, TARGETS } from "../model/constants";
import type { Target } from "../model/constants";
import { firstFilterOf, outputAt } from "../model/focus";
import type { Focus, OutputFocus } from "../model/focus";
import { channelsPerGroup, count, filtersPerGroup, gemm, groupOf, inputShape, readersOf, tapCount, unravel } from "../model/problem";
import { blocking, positionOf, traffic } from "../numerics/blocking";
import type { Blocking, Position } from "../numerics/blocking";
import type { Scene } from "../numerics/scene";
import { columnsPane } from "../panes/columns";
import type { Context, Room } from "../panes/context";
import { outputPane } from "../panes/output";
import { plural } from "../panes/pane";
import { withIndices } from "../panes/sentence";
import { weightPane } from "../panes/weight";
import { chosenName, noCleanup } from "./mode";
import type { Mode } from "./mode";

const GAP = 40;
const LARGEST_CELL = 34;

export const tiles: Mode = {
  name: "tiles",
  label: "GEMM tiles",
  about: "The matrix product as the kernel computes it: blocks that fit the caches, and a tile of sums that stays in registers.",
  captions: {
    registers: "What the processor’s registers hold: one weight for each row, one pixel for each column, and their running sums.",
    columns: "The im2col matrix, of which a block is in the cache and a strip is being multiplied.",
    weight: "The weight matrix, of which some rows are being multiplied.",
    output: "The output matrix; the outlined tile is in the registers.",
    levels: "What each level of the memory hierarchy holds, and how many bytes are loaded into it.",
  },
  choices: TARGETS.map(({ name, label, registers, vectorBytes }) => ({ name, label, about: `${registers} vectors of ${8 * vectorBytes} bits` })),
  render(context) {
    const { scene, stage, room } = context;
    const target = targetOf(context.choice);
    const blocks = blocking(scene.problem, target);
    const narrow = room.width < 620;
    const right = narrow ? room.width : Math.round(room.width * 0.56);
    const left = narrow ? room.width : room.width - right - GAP;
    stage.style.gridTemplateColumns = narrow ? "minmax(0, 1fr)" : `${left}px minmax(0, 1fr)`;
    const { groups, m } = gemm(scene.problem);
    const low = Math.min(Math.max(room.height, 42), Math.min(groups, 6) * (m * 26 + (groups > 1 ? 32 : 0)));
    const at = (focus: Focus): TileState => tileStateOf(scene, blocks, focus);
    const panes = [
      registers(context, blocks, { width: left, height: room.height * 1.2 }),
      columnsPane(context, { width: right, height: room.height }, 26, (focus) => columnMarks(at(focus))).element,
      weightPane(context, { width: left, height: low }, true, (focus) => weightMarks(at(focus))).element,
      outputPane(context, { width: right, height: low }, true, (focus) => outputMarks(at(focus), m)).element,
      levels(scene, blocks, target),
    ];
    if (narrow) stage.append(...panes);
    else stage.append(html("div", { class: "stack" }, panes[0], panes[2]), html("div", { class: "stack" }, panes[1], panes[3]), panes[4]);
    const group = at(context.store.get().focus).group;
    context.onState(({ focus }) => {
      if (Math.floor(at(focus).group / 6) !== Math.floor(group / 6)) context.redraw();
    });
    return noCleanup;
  },
  sentence(scene, { focus, choice }) {
    const target = targetOf(chosenName(tiles, choice));
    const blocks = blocking(scene.problem, target);
    const { output, place } = tileStateOf(scene, blocks, focus);
    const rows = place.rows.end - place.rows.start;
    const instructions = rows * blocks.vectors;
    const bytes = rows * DTYPES[scene.problem.dtype].bytes + blocks.vectors * target.vectorBytes;
    const { k } = gemm(scene.problem);
    const sum = partial(scene, output, 0, place.step);
    const equation = html("p", { class: "equation" });
    equation.append(
      `${plural(rows, "weight")}, each broadcast to a vector, times ${blocks.vectors} vectors of ${blocks.lanes} pixels: `,
      html("strong", {}, `${instructions} multiply-adds`),
      ` for ${bytes} bytes loaded.`,
    );
    const facts = html("p", { class: "facts" });
    facts.append(
      `After product ${place.step + 1} of ${k}, `, withIndices("y", [output.filter, output.row, output.column]), ` is ${short(sum, 5)}. `,
      `Registers: ${instructions} of ${target.registers} for the sums, ${blocks.vectors} for the pixels, 1 for a weight. Shift with ← → steps through the products.`,
    );
    const all = document.createDocumentFragment();
    all.append(equation, facts);
    return all;
  },
};

const targetOf = (choice: string): Target => TARGETS.find(({ name }) => name === choice) ?? TARGETS[0];

/** The kernel's position when it computes the product in focus; for an output without a product, its last one. */
interface TileState {
  readonly output: OutputFocus;
  readonly group: number;
  readonly place: Position;
}

function tileStateOf(scene: Scene, blocks: Blocking, focus: Focus): TileState {
  const { problem } = scene;
  const { m, k } = gemm(problem);
  const output = outputFor(scene, focus);
  const pixel = output.row * scene.axes[1].outputSize + output.column;
  return {
    output,
    group: groupOf(problem, output.filter),
    place: positionOf(problem, blocks, output.filter % m, pixel, output.tap ?? k - 1),
  };
}

/** The output in focus, or the first that uses what is. */
function outputFor(scene: Scene, focus: Focus): OutputFocus {
  if (focus.kind === "output") return focus;
  if (focus.kind === "weight") return outputAt(focus.filter, 0, 0, focus.k);
  const [down] = readersOf(scene.axes[0], focus.row);
  const [across] = readersOf(scene.axes[1], focus.column);
  const filter = firstFilterOf(scene.problem, focus.channel);
  if (!down || !across) return outputAt(filter, 0, 0);
  const channel = focus.channel % channelsPerGroup(scene.problem);
  return outputAt(filter, down.output, across.output, channel * tapCount(scene.problem) + down.tap * scene.axes[1].kernelSize + across.tap);
}

/** What an output's products from one to another add up to. */
function partial(scene: Scene, { filter, row, column }: Pick<OutputFocus, "filter" | "row" | "column">, from: number, to: number): number {
  let sum = 0;
  for (let k = from; k <= to; k++) sum += scene.weightAt(filter, k) * pixelAt(scene, filter, k, row, column);
  return sum;
}

/** An element of the im2col matrix. */
function pixelAt(scene: Scene, filter: number, k: number, row: number, column: number): number {
  const [height, width] = scene.axes;
  const [channel, tapRow, tapColumn] = unravel(scene.problem, k);
  const first = groupOf(scene.problem, filter) * channelsPerGroup(scene.problem);
  const y = row * height.stride + tapRow * height.dilation - height.padding[0];
  const x = column * width.stride + tapColumn * width.dilation - width.padding[0];
  return scene.pixel(first + channel, y, x) || 0;
}

const length = ({ start, end }: { start: number; end: number }): number => end - start;

function columnMarks({ group, place }: TileState): Mark[] {
  const { k, pixels, columns, step } = place;
  return [
    { role: "read", plane: group, row: k.start, rows: length(k), column: pixels.start, columns: length(pixels) },
    { role: "window", plane: group, row: k.start, rows: length(k), column: columns.start, columns: length(columns) },
    { role: "tap", plane: group, row: step, column: columns.start, columns: length(columns) },
  ];
}

function weightMarks({ group, place }: TileState): Mark[] {
  const { k, rows, step } = place;
  return [
    { role: "window", plane: group, row: rows.start, rows: length(rows), column: k.start, columns: length(k) },
    { role: "tap", plane: group, row: rows.start, rows: length(rows), column: step },
  ];
}

function outputMarks({ group, place }: TileState, m: number): Mark[] {
  const { pixels, rows, columns } = place;
  return [
    { role: "read", plane: group, row: 0, rows: m, column: pixels.start, columns: length(pixels) },
    { role: "window", plane: group, row: rows.start, rows: length(rows), column: columns.start, columns: length(columns) },
  ];
}

/** The register tile: a weight for each row, a pixel for each column, and a running sum for each pair of them. */
function registers(context: Context, blocks: Blocking, room: Room): HTMLElement {
  const { scene, theme, store } = context;
  const width = blocks.vectors * blocks.lanes;
  const most = Math.min(blocks.rows, gemm(scene.problem).m);
  const size = Math.min(LARGEST_CELL, room.width / (width + 1.4), room.height / (most + 1.4));
  let now = tileStateOf(scene, blocks, store.get().focus);
  const m = filtersPerGroup(scene.problem);
  const wide = scene.axes[1].outputSize;
  const outputOf = (row: number, column: number): OutputFocus | null => {
    const pixel = now.place.columns.start + column;
    if (now.place.rows.start + row >= now.place.rows.end || pixel >= now.place.columns.end) return null;
    return outputAt(now.group * m + now.place.rows.start + row, Math.floor(pixel / wide), pixel % wide, now.output.tap);
  };
  const kind = (row: number, column: number): "value" | "padding" => (outputOf(row, column) ? "value" : "padding");
  const grid = (spec: Omit<GridSpec, "planes" | "largestCell">, hovered: (row: number, column: number) => OutputFocus | null): Grid =>
    new Grid({ ...spec, planes: 1, largestCell: size }, theme, { width: size * spec.columns + 1, height: size * spec.rows + 1 }, {
      hover: ({ row, column }) => {
        const { pinned, playing } = store.get();
        const focus = hovered(row, column);
        if (focus && !pinned && !playing) store.set({ focus });
      },
      pick: ({ row, column }) => {
        const focus = hovered(row, column);
        if (focus) store.set({ focus, pinned: true, playing: false });
      },
    });
  const grids = {
    pixels: grid(
      {
        label: `Pixels: ${blocks.vectors} vectors of ${blocks.lanes}`,
        rows: 1,
        columns: width,
        scale: scene.inputScale,
        kind: (_, __, column) => kind(0, column),
        value: (_, __, column) => {
          const output = outputOf(0, column);
          return output ? pixelAt(scene, output.filter, now.place.step, output.row, output.column) : NaN;
        },
      },
      (_, column) => outputOf(0, column),
    ),
    weights: grid(
      {
        label: `Weights: one for each of ${plural(most, "filter")}`,
        rows: most,
        columns: 1,
        scale: scene.weightScale,
        kind: (_, row) => kind(row, 0),
        value: (_, row) => scene.weightAt(outputOf(row, 0)?.filter ?? 0, now.place.step),
      },
      (row) => outputOf(row, 0),
    ),
    sums: grid(
      {
        label: `Running sums: ${most} by ${width}`,
        rows: most,
        columns: width,
        get scale() {
          return scene.outputScale;
        },
        kind: (_, row, column) => kind(row, column),
        value: (_, row, column) => {
          const output = outputOf(row, column);
          return output ? partial(scene, output, now.place.k.start, now.place.step) : NaN;
        },
      },
      outputOf,
    ),
  };
  const alternative = html("p", { class: "alternative" });
  const note = html("p", { class: "note" });
  let drawn = "";
  context.onState(({ focus }) => {
    now = tileStateOf(scene, blocks, focus);
    const { place, output } = now;
    const what = JSON.stringify(place);
    if (what !== drawn) for (const each of Object.values(grids)) each.repaint();
    drawn = what;
    const [row, column] = [(output.filter % m) - place.rows.start, output.row * wide + output.column - place.columns.start];
    grids.sums.mark([{ role: "window", plane: 0, row, column }]);
    grids.weights.mark([{ role: "tap", plane: 0, row, column: 0 }]);
    grids.pixels.mark([{ role: "tap", plane: 0, row: 0, column }]);
    note.textContent =
      `k = ${place.step}: filters ${place.rows.start} to ${place.rows.end - 1}, pixels ${place.columns.start} to ${place.columns.end - 1}, ` +
      `products ${place.k.start} to ${place.step} added.`;
    alternative.textContent = `The register tile holds ${most} by ${width} running sums. ${note.textContent}`;
  });
  const heading = html("h2", {}, "In registers", html("span", { class: "shape" }, `${blocks.rows} × ${blocks.vectors} vectors`));
  const lattice = html("div", { class: "tile-grid" }, html("span"), grids.pixels.element, grids.weights.element, grids.sums.element);
  return html("section", { class: "pane pane-registers" }, heading, lattice, alternative, note);
}

/** What each level of the memory hierarchy holds, and how many bytes are loaded into it. */
function levels(scene: Scene, blocks: Blocking, target: Target): HTMLElement {
  const { problem } = scene;
  const element = DTYPES[problem.dtype].bytes;
  const width = blocks.vectors * blocks.lanes;
  const { m, k } = gemm(problem);
  const read = traffic(problem, blocks);
  const vectors = Math.min(blocks.rows, m) * blocks.vectors + blocks.vectors + 1;
  const kBlock = Math.min(blocks.kBlock, k);
  const pixels = Math.min(blocks.pixelBlock, scene.positions);
  const whole = count(inputShape(problem)) / problem.batch + count([problem.outChannels, k]) + problem.outChannels * scene.positions;
  const rows: [string, string, string, number][] = [
    ["registers", `${vectors} of ${target.registers} vectors`, "the sums, a row of pixels and a broadcast weight", read.l1],
    ["L1 cache", `${bytesOf((width + Math.min(blocks.rows, m)) * kBlock * element)} of ${bytesOf(target.l1)}`, `k = ${kBlock}: a panel of ${width} pixels and the tile’s filters`, read.l2],
    ["L2 cache", `${bytesOf(kBlock * pixels * element)} of ${bytesOf(target.l2)}`, `k = ${kBlock}: the ${pixels} lowered pixels of a task`, read.memory],
    ["memory", bytesOf(whole * element), "input, weights and output", 0],
  ];
  const list = html("div", { class: "levels" });
  for (const [level, held, what, bytes] of rows) {
    const bar = html("i", { style: `width:${Math.max(0.4, (100 * bytes) / read.untiled)}%` });
    const loaded = bytes ? html("span", { class: "read" }, bar, `${bytesOf(bytes)} loaded into this level`) : html("span", { class: "read" });
    list.append(html("b", {}, level), html("span", { class: "held" }, held), html("span", { class: "what" }, what), loaded);
  }
  const without = `Without tiles, each product would load two numbers: ${bytesOf(read.untiled)} in all, the full width of these bars.`;
  const heading = html("h2", {}, "Memory hierarchy", html("span", { class: "shape" }, `${target.label}, ${blocks.lanes} × ${problem.dtype} in a vector`));
  return html("section", { class: "pane pane-levels" }, heading, list, html("p", { class: "note" }, without));
}
