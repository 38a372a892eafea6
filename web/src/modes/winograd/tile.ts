// The Winograd tile of a focus, with every intermediate array. Only what is shown is computed: one tile of the
// channels that a filter reads.

import { clamp } from "../../model/arithmetic";
import { channelOf, firstFilterOf } from "../../model/focus";
import type { Focus } from "../../model/focus";
import { channelsPerGroup, count, groupOf, unravel } from "../../model/problem";
import type { Pair } from "../../model/problem";
import type { Numbers } from "../../model/tensors";
import type { Transforms } from "../../numerics/algorithms/cook_toom";
import { extractTile, multiplyAdd, tileCounts, transformBlock, transformedFilter, transformsOf } from "../../numerics/algorithms/winograd";
import { largestMagnitude } from "../../numerics/arrays";
import type { Scene } from "../../numerics/scene";

export interface Tile {
  readonly filter: number;
  readonly firstChannel: number; // of those that the filter reads
  readonly at: Pair; // the tile's place among the tiles
  readonly pixels: readonly Numbers[]; // d, of each channel that the filter reads
  readonly transformed: readonly Numbers[]; // Bᵀ d B
  readonly filters: readonly Numbers[]; // G g Gᵀ
  readonly products: Numbers; // Σ over channels
  readonly result: Numbers; // Aᵀ · A, plus the bias
}

const MOST_SAMPLED = 1_000_000; // multiplications that finding the ends of the colours may take

/** The tiles of a scene, for one size of tile. */
export class Tiles {
  readonly transforms: readonly [Transforms, Transforms];
  readonly number: Pair; // of tiles along each axis
  readonly outputs: Pair; // of a tile
  readonly elements: Pair; // of a tile
  private filters: { of: number; made: Numbers[] } = { of: -1, made: [] };
  private readonly scales = new Map<number, { transformed: number; filters: number; products: number }>();
  private last: Tile | null = null;

  constructor(
    private readonly scene: Scene,
    outputs: number,
  ) {
    this.transforms = transformsOf(scene.problem, outputs);
    this.number = tileCounts(scene.problem, this.transforms);
    const [height, width] = this.transforms;
    this.outputs = [height.output.length, width.output.length];
    this.elements = [height.input.length, width.input.length];
  }

  /** The tile of a focus. A pixel or a weight keeps the last tile if that tile contains it. */
  tileOf(focus: Focus): Tile {
    const filter = this.filterOf(focus);
    const [tileRow, tileColumn] = this.placeOf(focus);
    const { last } = this;
    if (last && last.filter === filter && last.at[0] === tileRow && last.at[1] === tileColumn) return last;
    return (this.last = this.make(filter, [tileRow, tileColumn]));
  }

  /** The position of the tile's first element in the input; negative in the padding. */
  startOf({ at }: Tile): Pair {
    const [height, width] = this.scene.axes;
    return [at[0] * this.outputs[0] - height.padding[0], at[1] * this.outputs[1] - width.padding[0]];
  }

  /** The channel that a focus is on, among those that its filter reads. */
  channelOf(focus: Focus): number {
    return channelOf(this.scene.problem, focus) % channelsPerGroup(this.scene.problem);
  }

  /** The ends of the colour scales of one filter over the whole input, from as many tiles as time allows. */
  scalesOf(filter: number): { transformed: number; filters: number; products: number } {
    const cache = this.scales.get(filter);
    if (cache) return cache;
    const all = count(this.number);
    const each = channelsPerGroup(this.scene.problem) * count(this.elements) * (this.elements[0] + this.elements[1]);
    const step = Math.ceil(all / Math.max(1, Math.floor(MOST_SAMPLED / each)));
    const ends = { transformed: 0, filters: Math.max(...this.filtersOf(filter).map(largestMagnitude)), products: 0 };
    for (let place = 0; place < all; place += step) {
      const tile = this.make(filter, [Math.floor(place / this.number[1]), place % this.number[1]]);
      ends.transformed = Math.max(ends.transformed, ...tile.transformed.map(largestMagnitude));
      ends.products = Math.max(ends.products, largestMagnitude(tile.products));
    }
    this.scales.set(filter, ends);
    return ends;
  }

  private filterOf(focus: Focus): number {
    if (focus.kind !== "input") return focus.filter;
    const first = firstFilterOf(this.scene.problem, focus.channel);
    const stays = this.last && firstFilterOf(this.scene.problem, this.last.firstChannel) === first;
    return stays && this.last ? this.last.filter : first;
  }

  private placeOf(focus: Focus): Pair {
    const before = this.last?.at ?? [0, 0];
    if (focus.kind === "weight") return before;
    const along = (axis: 0 | 1, position: number): number => {
      const place = focus.kind === "input" ? position + this.scene.axes[axis].padding[0] : position;
      const inside = place - before[axis] * this.outputs[axis];
      if (focus.kind === "input" && inside >= 0 && inside < this.elements[axis]) return before[axis];
      return clamp(Math.floor(place / this.outputs[axis]), 0, this.number[axis] - 1);
    };
    return [along(0, focus.row), along(1, focus.column)];
  }

  private make(filter: number, at: Pair): Tile {
    const { problem, operands } = this.scene;
    const [height, width] = this.transforms;
    const perGroup = channelsPerGroup(problem);
    const firstChannel = groupOf(problem, filter) * perGroup;
    const pixels = Array.from({ length: perGroup }, (_, channel) => extractTile(problem, this.transforms, operands.input, firstChannel + channel, at));
    const transformed = pixels.map((tile) => transformBlock(height.input, tile, width.input, problem.dtype));
    const filters = this.filtersOf(filter);
    const products = multiplyAdd(transformed, filters, problem.dtype);
    const bias = operands.bias ? operands.bias[filter] : 0;
    const result = transformBlock(height.output, products, width.output, problem.dtype).map((sum) => sum + bias) as Numbers;
    return { filter, firstChannel, at, pixels, transformed, filters, products, result };
  }

  private filtersOf(filter: number): Numbers[] {
    const { problem, operands } = this.scene;
    const perGroup = channelsPerGroup(problem);
    if (this.filters.of === filter) return this.filters.made;
    const made = Array.from({ length: perGroup }, (_, channel) =>
      transformedFilter(problem, this.transforms, operands.weight, filter * perGroup + channel),
    );
    this.filters = { of: filter, made };
    return made;
  }
}

/** Places along an axis of a tile: of the output, the filter's tap, or the pixel that a focus is on. */
export interface TilePositions {
  readonly output: Pair | null; // in its tile
  readonly pixel: Pair | null; // in its tile
  readonly tap: Pair | null; // of the kernel
}

export function positionsIn(scene: Scene, tiles: Tiles, focus: Focus): TilePositions {
  const tile = tiles.tileOf(focus);
  const tapOf = (k: number): Pair => {
    const [, row, column] = unravel(scene.problem, k);
    return [row, column];
  };
  if (focus.kind === "weight") return { output: null, pixel: null, tap: tapOf(focus.k) };
  if (focus.kind === "input") {
    const [top, left] = tiles.startOf(tile);
    const [row, column] = [focus.row - top, focus.column - left];
    const inside = row >= 0 && row < tiles.elements[0] && column >= 0 && column < tiles.elements[1];
    return { output: null, pixel: inside ? [row, column] : null, tap: null };
  }
  const output: Pair = [focus.row % tiles.outputs[0], focus.column % tiles.outputs[1]];
  if (focus.tap === null) return { output, pixel: null, tap: null };
  const tap = tapOf(focus.tap);
  return { output, pixel: [output[0] + tap[0], output[1] + tap[1]], tap };
}

const cache = new WeakMap<Scene, Map<number, Tiles>>();

/** A scene's tiles of a size, shared by the panes and the text below them. */
export function tilesIn(scene: Scene, outputs: number): Tiles {
  const sizes = cache.get(scene) ?? new Map<number, Tiles>();
  cache.set(scene, sizes);
  const tiles = sizes.get(outputs) ?? new Tiles(scene, outputs);
  sizes.set(outputs, tiles);
  return tiles;
}
