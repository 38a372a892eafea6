// Both gradients of a convolution are convolutions too, as Python's gradients.py has them. Let g be the
// gradient of some number with respect to the output y:
//
//   ∂x[c, i] = Σ_(f, k) w[f, c, k] · g[f, o]   over the o with  o · s + k · d − p = i
//   ∂w[f, c, k] = Σ_o g[f, o] · x[c, o · s + k · d − p]
//
// The first sends g back where x came from: a transposed convolution. The second slides g over x as if
// it were a kernel: stride and dilation have changed places.

import { zeros } from "./arrays";
import type { Numbers } from "./arrays";
import type { Operands } from "./convolution";
import { axes, channelsPerGroup, count, filtersPerGroup, outputSize } from "./problem";
import type { Problem, Sides } from "./problem";

/** The input's gradient: a transposed convolution of g. Pixels that no window read are its output padding. */
export function inputGradient(problem: Problem): Problem {
  const [height, width] = axes(problem);
  return {
    ...problem,
    inChannels: problem.outChannels,
    outChannels: problem.inChannels,
    inputSize: [height.outputSize, width.outputSize],
    bias: false,
    same: false,
    transposed: true,
    outputPadding: [height.leftover, width.leftover],
  };
}

/** The gradients of one channel's weights, in every filter that reads it: that channel, with g as the filters. */
export function weightGradient(problem: Problem): Problem {
  const [height, width] = axes(problem).map(({ padding: [before, after], leftover }): Sides => [before, after - leftover]);
  return {
    ...problem,
    batch: 1,
    inChannels: 1,
    outChannels: filtersPerGroup(problem),
    kernelSize: outputSize(problem),
    stride: problem.dilation,
    dilation: problem.stride,
    padding: [height, width],
    groups: 1,
    bias: false,
    same: false,
  };
}

/** What `weightGradient` convolves, of one image: a channel of the input, and g of the filters that read it. */
export function weightGradientOperands(problem: Problem, input: Numbers, g: Numbers, channel: number, image = 0): Operands {
  const pixels = count(problem.inputSize);
  const positions = count(outputSize(problem));
  const filters = filtersPerGroup(problem);
  const first = Math.floor(channel / channelsPerGroup(problem)) * filters;
  const plane = image * problem.inChannels + channel;
  return {
    input: input.subarray(plane * pixels, (plane + 1) * pixels) as Numbers,
    weight: g.subarray((image * problem.outChannels + first) * positions, (image * problem.outChannels + first + filters) * positions) as Numbers,
    bias: null,
  };
}

/** The bias's gradient: g, summed for each filter. */
export function biasGradient(problem: Problem, g: Numbers): Numbers {
  const positions = count(outputSize(problem));
  const sums = new Float64Array(problem.outChannels);
  for (let place = 0; place < g.length; place++) sums[Math.floor(place / positions) % problem.outChannels] += g[place];
  const made = zeros(problem.outChannels, problem.dtype);
  made.set(sums);
  return made;
}

