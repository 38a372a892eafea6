// kn2row: a 1×1 convolution of the whole input for each tap. Their results are shifted and added.

import { axes, channelsPerGroup, count, filtersPerGroup, groupOf, outputShape, tapCount } from "../../model/problem";
import type { Axis, Problem } from "../../model/problem";
import { zeros } from "../../model/tensors";
import type { Numbers } from "../../model/tensors";
import type { Operands } from "../convolution";
import type { Algorithm } from "./step";

export const kn2row: Algorithm = (problem, operands) => {
  const { batch, dtype, groups, inputSize, outChannels } = problem;
  const [taps, filters, pixels] = [tapCount(problem), filtersPerGroup(problem), count(inputSize)];
  const mixed = zeros(batch * taps * outChannels * pixels, dtype);
  const output = zeros(count(outputShape(problem)), dtype);
  for (let image = 0; image < batch; image++) {
    for (let filter = 0; filter < outChannels; filter++) {
      const pictures = tapConvolutions(problem, operands, filter, image);
      const group = groupOf(problem, filter);
      for (let tap = 0; tap < taps; tap++) {
        const place = ((image * groups + group) * taps + tap) * filters + (filter % filters);
        mixed.set(pictures.subarray(tap * pixels, (tap + 1) * pixels), place * pixels);
      }
      const sums = shiftAndAdd(problem, pictures, taps);
      const bias = operands.bias?.[filter] ?? 0;
      output.set(sums.map((sum) => sum + bias), (image * outChannels + filter) * sums.length);
    }
  }
  return [
    { name: "rows", shape: [groups, taps * filters, channelsPerGroup(problem)], values: rows(problem, operands.weight) },
    { name: "mixed", shape: [batch, groups, taps, filters, ...inputSize], values: mixed },
    { name: "output", shape: outputShape(problem), values: output },
  ];
};

/** Each tap's weights, stacked on the next tap's: [groups, taps · filters of a group, channels of a group]. */
function rows(problem: Problem, weight: Numbers): Numbers {
  const [taps, filters, channels] = [tapCount(problem), filtersPerGroup(problem), channelsPerGroup(problem)];
  const stacked = zeros(weight.length, problem.dtype);
  for (let filter = 0; filter < problem.outChannels; filter++) {
    const group = groupOf(problem, filter);
    for (let k = 0; k < channels * taps; k++) {
      const [channel, tap] = [Math.floor(k / taps), k % taps];
      stacked[((group * taps + tap) * filters + (filter % filters)) * channels + channel] = weight[filter * channels * taps + k];
    }
  }
  return stacked;
}

/** The 1×1 convolution of each tap for one filter and one image, [taps, height, width]. */
export function tapConvolutions(problem: Problem, { input, weight }: Operands, filter: number, image = 0): Numbers {
  const [taps, channels, pixels] = [tapCount(problem), channelsPerGroup(problem), count(problem.inputSize)];
  const first = image * problem.inChannels + groupOf(problem, filter) * channels;
  const mixed = zeros(taps * pixels, problem.dtype);
  const sums = new Float64Array(pixels);
  for (let tap = 0; tap < taps; tap++) {
    sums.fill(0);
    for (let channel = 0; channel < channels; channel++) {
      const by = weight[(filter * channels + channel) * taps + tap];
      const start = (first + channel) * pixels;
      for (let pixel = 0; pixel < pixels; pixel++) sums[pixel] += by * input[start + pixel];
    }
    mixed.set(sums, tap * pixels);
  }
  return mixed;
}

/** The first so many of a filter's pictures, shifted and added: [out_height, out_width], without the bias. */
export function shiftAndAdd(problem: Problem, mixed: Numbers, taps: number): Numbers {
  const [height, width] = axes(problem);
  const sums = zeros(height.outputSize * width.outputSize, problem.dtype);
  for (let tap = 0; tap < taps; tap++) {
    for (let row = 0; row < height.outputSize; row++) {
      const y = inputPosition(height, row, Math.floor(tap / width.kernelSize));
      if (y === null) continue;
      for (let column = 0; column < width.outputSize; column++) {
        const x = inputPosition(width, column, tap % width.kernelSize);
        if (x !== null) sums[row * width.outputSize + column] += mixed[(tap * height.inputSize + y) * width.inputSize + x];
      }
    }
  }
  return sums;
}

/** The pixel along an axis that an output reads with a tap; null on padding. */
export function inputPosition(axis: Axis, output: number, tap: number): number | null {
  const at = output * axis.stride + tap * axis.dilation - axis.padding[0];
  return at >= 0 && at < axis.inputSize ? at : null;
}
