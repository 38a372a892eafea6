// Numbers to fill arrays with: small whole numbers where they are read, random ones from a fixed seed where they
// are looked at, and images resampled to a layer's input.

import { channelsPerGroup, count, inputShape, tapCount, weightShape } from "../model/problem";
import type { Problem } from "../model/problem";
import { zeros } from "../model/tensors";
import type { Array4, Numbers } from "../model/tensors";

const MOST_READ = 256; // positions of an input

/** The largest absolute value, the end of a colour scale; 1 where every value is zero. */
export function largestMagnitude(values: ArrayLike<number>): number {
  let most = 0;
  for (let place = 0; place < values.length; place++) {
    const size = Math.abs(values[place]);
    if (size > most) most = size; // NaN is never larger
  }
  return most || 1;
}

/** Numbers between −limit and limit, the same ones for the same seed (mulberry32). */
export function random(length: number, limit: number, seed: number, dtype: Problem["dtype"]): Numbers {
  const values = zeros(length, dtype);
  let state = seed >>> 0;
  for (let place = 0; place < length; place++) {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    values[place] = (((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1) * limit;
  }
  return values;
}

/** Whether a problem is small enough for its numbers to be read, and its sums to be checked by hand. */
export const isRead = (problem: Problem): boolean => count(problem.inputSize) <= MOST_READ;

/** An input without an image: whole numbers 0 to 3 for a small problem, else a smooth random image between −1 and 1. */
export function drawnInput(problem: Problem): Numbers {
  if (!isRead(problem)) return randomImage(problem);
  const length = count(inputShape(problem));
  return random(length, 1, 1, problem.dtype).map((value) => Math.min(3, Math.floor(2 * value + 2)));
}

function randomImage(problem: Problem): Numbers {
  const [batch, channels, height, width] = inputShape(problem);
  const values = zeros(batch * channels * height * width, problem.dtype);
  const waves = random(batch * channels * 8, 1, 1, "float64");
  let place = 0;
  for (let plane = 0; plane < batch * channels; plane++) {
    const [a, b, c, d, e, f, g, h] = waves.subarray(plane * 8, plane * 8 + 8);
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const [y, x] = [(row + 0.5) / height, (column + 0.5) / width];
        const hill = Math.sin(5 * (a * y + b * x) + 3 * c) + Math.cos(9 * (d * y - e * x) + 3 * f);
        const ring = Math.hypot(y - 0.5 - g / 4, x - 0.5 - h / 4) < 0.28 ? 0.7 : -0.2;
        values[place++] = Math.max(-1, Math.min(1, 0.4 * hill + ring));
      }
    }
  }
  return values;
}

/** Weights and biases: −2 to 2 and 1 for a small problem, else as PyTorch draws a new layer's, uniform between ±1 / √(products per output). */
export function drawnWeight(problem: Problem): { weight: Numbers; bias: Numbers | null } {
  const length = count(weightShape(problem));
  if (isRead(problem)) {
    const whole = random(length, 1, 2, problem.dtype).map((value) => Math.min(2, Math.floor(2.5 * value + 2.5) - 2));
    return { weight: whole, bias: problem.bias ? zeros(problem.outChannels, problem.dtype).fill(1) : null };
  }
  const fan = problem.transposed ? problem.outChannels / problem.groups : channelsPerGroup(problem);
  const limit = 1 / Math.sqrt(fan * tapCount(problem));
  return {
    weight: random(length, limit, 2, problem.dtype),
    bias: problem.bias ? random(problem.outChannels, limit, 3, problem.dtype) : null,
  };
}

/** An image [any, channels, height, width] as a problem's input: resampled, its channels repeated. */
export function resampleToInput(picture: Array4, problem: Problem): Numbers {
  const [, channels, height, width] = picture.shape;
  const [batch, wanted, rows, columns] = inputShape(problem);
  if (picture.values.length === batch * wanted * rows * columns && wanted === channels && rows === height) {
    return picture.values;
  }
  const values = zeros(batch * wanted * rows * columns, problem.dtype);
  for (let plane = 0; plane < batch * wanted; plane++) {
    const source = ((plane % wanted) % channels) * height * width;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        values[(plane * rows + row) * columns + column] = average(
          picture.values.subarray(source, source + height * width),
          width,
          [(row * height) / rows, ((row + 1) * height) / rows],
          [(column * width) / columns, ((column + 1) * width) / columns],
        );
      }
    }
  }
  return values;
}

/** The mean over a rectangle of a plane: whole cells that it covers, at least one. */
function average(plane: Numbers, width: number, rows: [number, number], columns: [number, number]): number {
  let sum = 0;
  let cells = 0;
  for (let row = Math.floor(rows[0]); row < Math.max(Math.floor(rows[0]) + 1, Math.round(rows[1])); row++) {
    const last = Math.max(Math.floor(columns[0]) + 1, Math.round(columns[1]));
    for (let column = Math.floor(columns[0]); column < last; column++) {
      sum += plane[row * width + column];
      cells++;
    }
  }
  return sum / cells;
}
