// winograd2, winograd4, winograd6: tiles of neighbouring outputs share pixels, so that transformed tiles take
// fewer multiplications. `extractTile`, `transformBlock` and `multiplyAdd` compute one tile; a mode calls them
// for the tile that it draws. The algorithm's steps are those of all tiles.

import { LARGEST_WINOGRAD_TILE } from "../../model/constants";
import { axes, channelsPerGroup, count, filtersPerGroup, groupOf, macs, outputShape, tapCount } from "../../model/problem";
import type { Axis, Pair, Problem } from "../../model/problem";
import { zeros } from "../../model/tensors";
import type { Numbers } from "../../model/tensors";
import type { Operands } from "../convolution";
import { cookToom } from "./cook_toom";
import type { Matrix, Transforms } from "./cook_toom";
import { padded } from "./im2col";
import type { Algorithm } from "./step";


/** Why tiles of so many outputs cannot compute a convolution, and what to change; null where they can. */
export function refusalOf(problem: Problem, outputs: number): string | null {
  const largest = LARGEST_WINOGRAD_TILE + 1 - outputs;
  const [kernel, stride, dilation] = [problem.kernelSize, problem.stride, problem.dilation].map((sizes) => sizes.join(" × "));
  if (Math.max(...problem.stride) > 1) return `Winograd needs stride 1, got ${stride}: outputs further apart share fewer pixels. Set stride to 1.`;
  if (Math.max(...problem.dilation) > 1) return `Winograd needs dilation 1, got ${dilation}: its tiles are neighbouring pixels. Set dilation to 1.`;
  if (tapCount(problem) === 1) return "Winograd needs a kernel of more than one tap: neighbours of a 1 × 1 kernel share no pixel. Set kernel_size to 2 or more.";
  if (Math.max(...problem.kernelSize) > largest) {
    return `Tiles of ${outputs} × ${outputs} outputs take kernel sizes up to ${largest}, got ${kernel}: larger tiles lose too many digits. Choose smaller tiles or a smaller kernel_size.`;
  }
  return null;
}

/** F(outputs, r) for each axis, F(1, 1) where r is 1. */
export function transformsOf(problem: Problem, outputs: number): readonly [Transforms, Transforms] {
  const [height, width] = problem.kernelSize.map((r) => cookToom(r > 1 ? outputs : 1, r));
  return [height, width];
}

/** How many tiles cover each axis's outputs. */
export function tileCounts(problem: Problem, transforms: readonly [Transforms, Transforms]): Pair {
  const [height, width] = axes(problem);
  return [tilesAlong(height, transforms[0]), tilesAlong(width, transforms[1])];
}

const tilesAlong = (axis: Axis, { output }: Transforms): number => Math.ceil(axis.outputSize / output.length);

/** The pixels of one tile of one channel, zeros where it is padding. */
export function extractTile(problem: Problem, transforms: readonly [Transforms, Transforms], input: Numbers, plane: number, tile: Pair): Numbers {
  const [height, width] = axes(problem);
  const [tall, wide] = transforms.map((each) => each.input.length);
  const pixels = zeros(tall * wide, problem.dtype);
  for (let place = 0; place < pixels.length; place++) {
    const y = tile[0] * transforms[0].output.length + Math.floor(place / wide) - height.padding[0];
    const x = tile[1] * transforms[1].output.length + (place % wide) - width.padding[0];
    if (y < 0 || y >= height.inputSize || x < 0 || x >= width.inputSize) continue;
    pixels[place] = input[(plane * height.inputSize + y) * width.inputSize + x];
  }
  return pixels;
}

/** left · block · rightᵀ: one matrix along each axis of a block. */
export function transformBlock(left: Matrix, block: Numbers, right: Matrix, dtype: Problem["dtype"]): Numbers {
  const [rows, wide] = [left[0].length, right[0].length];
  const half = zeros(left.length * wide, dtype);
  for (let i = 0; i < left.length; i++) {
    for (let j = 0; j < wide; j++) {
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += left[i][row] * block[row * wide + j];
      half[i * wide + j] = sum;
    }
  }
  const results = zeros(left.length * right.length, dtype);
  for (let i = 0; i < left.length; i++) {
    for (let j = 0; j < right.length; j++) {
      let sum = 0;
      for (let column = 0; column < wide; column++) sum += right[j][column] * half[i * wide + column];
      results[i * right.length + j] = sum;
    }
  }
  return results;
}

/** G g Gᵀ of one filter's channel, in float64 and rounded once. */
export function transformedFilter(problem: Problem, [height, width]: readonly [Transforms, Transforms], weight: Numbers, plane: number): Numbers {
  const taps = tapCount(problem);
  const exact = transformBlock(height.filter, weight.subarray(plane * taps, (plane + 1) * taps) as Numbers, width.filter, "float64");
  return problem.dtype === "float64" ? exact : Float32Array.from(exact);
}

/** Σ_c V_c ⊙ U_c, summed in float64 and rounded once. */
export function multiplyAdd(tiles: readonly Numbers[], filters: readonly Numbers[], dtype: Problem["dtype"]): Numbers {
  const products = zeros(filters[0].length, dtype);
  for (let element = 0; element < products.length; element++) {
    let sum = 0;
    for (let channel = 0; channel < tiles.length; channel++) sum += tiles[channel][element] * filters[channel][element];
    products[element] = sum;
  }
  return products;
}

function winograd(outputs: number): Algorithm {
  return (problem, operands) => {
    const reason = refusalOf(problem, outputs);
    if (reason !== null) throw new Error(reason);
    const { batch, dtype, inChannels, outChannels } = problem;
    const transforms = transformsOf(problem, outputs);
    const [height, width] = transforms;
    const tiles = tileCounts(problem, transforms);
    const perPlane = count(tiles);
    const perGroup = channelsPerGroup(problem);
    const tileAt = (number: number): Pair => [Math.floor(number / tiles[1]), number % tiles[1]];

    const pixels = arrayOf(batch * inChannels * perPlane, (place) =>
      extractTile(problem, transforms, operands.input, Math.floor(place / perPlane), tileAt(place % perPlane)),
    );
    const transformed = pixels.map((tile) => transformBlock(height.input, tile, width.input, dtype));
    const filters = arrayOf(outChannels * perGroup, (plane) => transformedFilter(problem, transforms, operands.weight, plane));
    const products = arrayOf(batch * outChannels * perPlane, (place) => {
      const [image, filter] = [Math.floor(place / perPlane / outChannels), Math.floor(place / perPlane) % outChannels];
      const first = image * inChannels + groupOf(problem, filter) * perGroup;
      const read = arrayOf(perGroup, (channel) => transformed[(first + channel) * perPlane + (place % perPlane)]);
      return multiplyAdd(read, filters.slice(filter * perGroup, (filter + 1) * perGroup), dtype);
    });
    const results = products.map((product) => transformBlock(height.output, product, width.output, dtype));

    const wholeTiles = paddedToTiles(problem, transforms);
    const [tall, wide] = axes(wholeTiles).map(({ paddedSize }) => paddedSize);
    const elements = [height.input.length, width.input.length];
    const inside = [height.output.length, width.output.length];
    return [
      { name: "padded", shape: [batch, inChannels, tall, wide], values: padded(wholeTiles, operands.input) },
      { name: "tiles", shape: [batch, inChannels, ...tiles, ...elements], values: flat(pixels, dtype) },
      { name: "transformed input", shape: [batch, inChannels, ...tiles, ...elements], values: flat(transformed, dtype) },
      { name: "transformed filters", shape: [outChannels, perGroup, ...elements], values: flat(filters, dtype) },
      { name: "products", shape: [batch, outChannels, ...tiles, ...elements], values: flat(products, dtype) },
      { name: "output tiles", shape: [batch, outChannels, ...tiles, ...inside], values: flat(results, dtype) },
      { name: "output", shape: outputShape(problem), values: joinTiles(problem, operands, results, tiles, inside) },
    ];
  };
}

export const [winograd2, winograd4, winograd6] = [2, 4, 6].map(winograd);

/** The problem with zeros after its padding, so that the last tiles are whole. */
export function paddedToTiles(problem: Problem, transforms: readonly [Transforms, Transforms]): Problem {
  const [height, width] = axes(problem).map((axis, place): [number, number] => {
    const read = tilesAlong(axis, transforms[place]) * transforms[place].output.length + axis.kernelSize - 1;
    return [axis.padding[0], read - axis.padding[0] - axis.inputSize];
  });
  return { ...problem, padding: [height, width] };
}

/** The output: tiles side by side, cropped to its size, plus the bias. */
function joinTiles(problem: Problem, { bias }: Operands, results: readonly Numbers[], tiles: Pair, [tall, wide]: readonly number[]): Numbers {
  const [batch, filters, height, width] = outputShape(problem);
  const output = zeros(batch * filters * height * width, problem.dtype);
  for (let place = 0; place < output.length; place++) {
    const [column, row] = [place % width, Math.floor(place / width) % height];
    const plane = Math.floor(place / (width * height));
    const tile = results[(plane * tiles[0] + Math.floor(row / tall)) * tiles[1] + Math.floor(column / wide)];
    output[place] = tile[(row % tall) * wide + (column % wide)] + (bias ? bias[plane % filters] : 0);
  }
  return output;
}

const arrayOf = <Made>(length: number, make: (place: number) => Made): Made[] => Array.from({ length }, (_, place) => make(place));

function flat(blocks: readonly Numbers[], dtype: Problem["dtype"]): Numbers {
  const size = blocks[0].length;
  const values = zeros(blocks.length * size, dtype);
  blocks.forEach((block, place) => values.set(block, place * size));
  return values;
}

/** Multiplications: of numbers with numbers, and by the constants of the matrices other than 0 and ±1. */
export function multiplications(problem: Problem, outputs: number): { products: number; constants: number; definition: number } {
  const [height, width] = transformsOf(problem, outputs);
  const tiles = problem.batch * count(tileCounts(problem, [height, width]));
  const once = (left: Matrix, right: Matrix): number => constantsOf(left) * right[0].length + left.length * constantsOf(right);
  const perGroup = channelsPerGroup(problem);
  return {
    products: tiles * problem.outChannels * perGroup * height.input.length * width.input.length,
    constants:
      tiles * problem.inChannels * once(height.input, width.input) +
      problem.groups * filtersPerGroup(problem) * perGroup * once(height.filter, width.filter) +
      tiles * problem.outChannels * once(height.output, width.output),
    definition: macs(problem),
  };
}

const constantsOf = (matrix: Matrix): number => matrix.flat().filter((entry) => entry !== 0 && Math.abs(entry) !== 1).length;
