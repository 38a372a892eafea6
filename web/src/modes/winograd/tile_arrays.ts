// The arrays of a tile: for each its numbers, the marks for a focus, and the focus of a cell.

import type { Kind, Mark, Role } from "../../drawing/grid_spec";
import { outputAt } from "../../model/focus";
import type { Focus } from "../../model/focus";
import { channelsPerGroup, tapCount } from "../../model/problem";
import type { Pair } from "../../model/problem";
import type { Matrix } from "../../numerics/algorithms/cook_toom";
import type { Scene } from "../../numerics/scene";
import type { Hovered } from "../../panes/hovered";
import { positionsIn } from "./tile";
import type { Tile, Tiles } from "./tile";

/** The tile that is drawn, and the channel of it. */
export interface Drawn {
  tile: Tile;
  channel: number; // among those that the filter reads
}

export interface TileArray {
  readonly name: string;
  readonly title: string;
  readonly about: string; // in words, for screen readers
  readonly size: Pair;
  readonly elements: boolean; // its cells are elements of the transformed tile
  scale(): number;
  value(place: number): number;
  kind?(row: number, column: number): Kind;
  marks(focus: Focus): Mark[];
  focusOf(row: number, column: number): Focus | null;
}

export function tileArrays(scene: Scene, tiles: Tiles, element: Hovered, drawn: Drawn): TileArray[] {
  const { problem } = scene;
  const { kernelSize } = problem;
  const [height, width] = tiles.transforms;
  const taps = tapCount(problem);

  const pixelAt = (row: number, column: number): Focus | null => {
    const [top, left] = tiles.startOf(drawn.tile);
    const [y, x] = [top + row, left + column];
    return Number.isNaN(scene.pixel(0, y, x)) ? null : { kind: "input", channel: drawn.tile.firstChannel + drawn.channel, row: y, column: x };
  };
  const outputIn = (row: number, column: number): Focus | null => {
    const [y, x] = [drawn.tile.at[0] * tiles.outputs[0] + row, drawn.tile.at[1] * tiles.outputs[1] + column];
    return y < scene.axes[0].outputSize && x < scene.axes[1].outputSize ? outputAt(drawn.tile.filter, y, x) : null;
  };
  const hoveredMark = (): Mark[] => point("tap", element.get());
  /** The cells that an element is computed from: those with a factor other than 0. */
  const sourcesOf = (matrix: "input" | "filter"): Mark[] => {
    const at = element.get();
    return at ? touched("use", height[matrix][at[0]], width[matrix][at[1]]) : [];
  };
  /** The elements that a pixel or a weight enters. */
  const affectedBy = (matrix: "input" | "filter", place: Pair | null): Mark[] =>
    place ? touched("use", columnOf(height[matrix], place[0]), columnOf(width[matrix], place[1])) : [];

  return [
    {
      name: "d",
      title: "Tile d",
      about: "The tile’s pixels",
      size: tiles.elements,
      elements: false,
      scale: () => scene.inputScale,
      value: (place) => drawn.tile.pixels[drawn.channel][place],
      kind: (row, column) => (pixelAt(row, column) ? "value" : "padding"),
      marks: (focus) => {
        const { output, pixel } = positionsIn(scene, tiles, focus);
        const window = output ? [{ role: "read" as const, plane: 0, row: output[0], column: output[1], rows: kernelSize[0], columns: kernelSize[1] }] : [];
        return [...window, ...point(focus.kind === "input" ? "window" : "tap", pixel), ...sourcesOf("input")];
      },
      focusOf: pixelAt,
    },
    {
      name: "V",
      title: "V = Bᵀ d B",
      about: "The transformed tile",
      size: tiles.elements,
      elements: true,
      scale: () => tiles.scalesOf(drawn.tile.filter).transformed,
      value: (place) => drawn.tile.transformed[drawn.channel][place],
      marks: (focus) => [...(focus.kind === "input" ? affectedBy("input", positionsIn(scene, tiles, focus).pixel) : []), ...hoveredMark()],
      focusOf: () => null,
    },
    {
      name: "g",
      title: "Filter g",
      about: "The filter’s weights",
      size: kernelSize,
      elements: false,
      scale: () => scene.weightScale,
      value: (place) => scene.weightAt(drawn.tile.filter, drawn.channel * taps + place),
      marks: (focus) => [...point(focus.kind === "weight" ? "window" : "tap", positionsIn(scene, tiles, focus).tap), ...sourcesOf("filter")],
      focusOf: (row, column) => ({ kind: "weight", filter: drawn.tile.filter, k: drawn.channel * taps + row * kernelSize[1] + column }),
    },
    {
      name: "U",
      title: "U = G g Gᵀ",
      about: "The transformed filter",
      size: tiles.elements,
      elements: true,
      scale: () => tiles.scalesOf(drawn.tile.filter).filters,
      value: (place) => drawn.tile.filters[drawn.channel][place],
      marks: (focus) => [...(focus.kind === "weight" ? affectedBy("filter", positionsIn(scene, tiles, focus).tap) : []), ...hoveredMark()],
      focusOf: () => null,
    },
    {
      name: "M",
      title: channelsPerGroup(problem) > 1 ? "M = Σ V ⊙ U" : "M = V ⊙ U",
      about: "The products, summed over channels",
      size: tiles.elements,
      elements: true,
      scale: () => tiles.scalesOf(drawn.tile.filter).products,
      value: (place) => drawn.tile.products[place],
      marks: (focus) => {
        const { output } = positionsIn(scene, tiles, focus);
        return [...(output ? touched("read", height.output[output[0]], width.output[output[1]]) : []), ...hoveredMark()];
      },
      focusOf: () => null,
    },
    {
      name: "Y",
      title: `Y = Aᵀ M A${problem.bias ? " + b" : ""}`,
      about: "The tile’s outputs",
      size: tiles.outputs,
      elements: false,
      scale: () => scene.outputScale,
      value: (place) => drawn.tile.result[place],
      kind: (row, column) => (outputIn(row, column) ? "value" : "unread"),
      marks: (focus) => {
        const at = element.get();
        const uses = at ? touched("use", columnOf(height.output, at[0]), columnOf(width.output, at[1])) : [];
        return [...point("window", positionsIn(scene, tiles, focus).output), ...uses];
      },
      focusOf: outputIn,
    },
  ];
}

const columnOf = (matrix: Matrix, place: number): number[] => matrix.map((row) => row[place]);

const point = (role: Role, place: Pair | null): Mark[] => (place ? [{ role, plane: 0, row: place[0], column: place[1] }] : []);

/** The cells whose factors along both axes are not 0, neighbours in one rectangle. */
function touched(role: Role, down: readonly number[], across: readonly number[]): Mark[] {
  return runs(down).flatMap(([row, rows]) => runs(across).map(([column, columns]) => ({ role, plane: 0, row, column, rows, columns })));
}

function runs(factors: readonly number[]): [start: number, length: number][] {
  const all: [number, number][] = [];
  factors.forEach((factor, place) => {
    if (factor === 0) return;
    if (place && factors[place - 1] !== 0) all[all.length - 1][1]++;
    else all.push([place, 1]);
  });
  return all;
}
