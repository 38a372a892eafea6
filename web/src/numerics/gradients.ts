// Both gradients of a convolution are convolutions too, each with a problem of its own, as in Python's
// problem/gradients.py. Let y = conv(x, w) and g = ∂L/∂y. Then
//
//   ∂L/∂x[c, i] = Σ w[f, c, k] · g[f, o]   over the o with  o · stride + k · dilation − padding = i
//   ∂L/∂w[f, c, k] = Σ g[f, o] · x[c, o · stride + k · dilation − padding]

import { axes, channelsPerGroup, count, filtersPerGroup, groupOf, outputShape, outputSize, tapCount } from "../model/problem";
import type { Problem } from "../model/problem";
import { zeros } from "../model/tensors";
import type { Numbers } from "../model/tensors";
import { random } from "./arrays";
import type { Operands } from "./convolution";

/** The transposed convolution of g and the weight that is the input's gradient. */
export function inputGradientProblem(problem: Problem): Problem {
  const [height, width] = axes(problem);
  return {
    ...problem,
    inChannels: problem.outChannels,
    outChannels: problem.inChannels,
    inputSize: outputSize(problem),
    outputPadding: [height.leftover, width.leftover], // what no window reads comes back
    bias: false,
    same: false,
    transposed: true,
  };
}

/** The convolution of the input by g that is the weight's gradient, cut to the kernel's size. */
export function weightGradientProblem(problem: Problem): Problem {
  return {
    ...problem,
    batch: channelsPerGroup(problem),
    inChannels: problem.groups * problem.batch,
    kernelSize: outputSize(problem),
    stride: problem.dilation,
    dilation: problem.stride,
    bias: false,
    same: false,
  };
}

/** What `weightGradient` convolves: both with batch and channels changed about. */
export function weightGradientOperands(problem: Problem, input: Numbers, gradOutput: Numbers): Operands {
  const { batch, groups, outChannels } = problem;
  const perGroup = channelsPerGroup(problem);
  const pixels = count(problem.inputSize);
  const pictures = zeros(input.length, problem.dtype);
  for (let plane = 0; plane < batch * problem.inChannels; plane++) {
    const [image, channel] = [Math.floor(plane / problem.inChannels), plane % problem.inChannels];
    const [group, inGroup] = [Math.floor(channel / perGroup), channel % perGroup];
    const place = (inGroup * groups + group) * batch + image;
    pictures.set(input.subarray(plane * pixels, (plane + 1) * pixels), place * pixels);
  }
  const positions = count(outputSize(problem));
  const kernels = zeros(gradOutput.length, problem.dtype);
  for (let plane = 0; plane < batch * outChannels; plane++) {
    const place = (plane % outChannels) * batch + Math.floor(plane / outChannels);
    kernels.set(gradOutput.subarray(plane * positions, (plane + 1) * positions), place * positions);
  }
  return { input: pictures, weight: kernels, bias: null };
}

/** The gradient of one filter's weights of one channel of its group, [*kernel_size], over the whole batch. */
export function gradWeightPlane(problem: Problem, input: Numbers, gradOutput: Numbers, filter: number, channel: number): Numbers {
  const [height, width] = axes(problem);
  const [rows, columns] = problem.kernelSize;
  const plane = groupOf(problem, filter) * channelsPerGroup(problem) + channel;
  const sums = new Float64Array(rows * columns);
  for (let image = 0; image < problem.batch; image++) {
    const gradientRow = (image * problem.outChannels + filter) * height.outputSize;
    const inputRow = (image * problem.inChannels + plane) * height.inputSize;
    for (let tap = 0; tap < rows * columns; tap++) {
      const down = Math.floor(tap / columns) * height.dilation - height.padding[0];
      const across = (tap % columns) * width.dilation - width.padding[0];
      const start = Math.max(0, Math.ceil(-across / width.stride));
      const end = Math.min(width.outputSize, Math.floor((width.inputSize - 1 - across) / width.stride) + 1);
      let sum = 0;
      for (let row = 0; row < height.outputSize; row++) {
        const y = row * height.stride + down;
        if (y < 0 || y >= height.inputSize) continue;
        const from = (gradientRow + row) * width.outputSize;
        const line = (inputRow + y) * width.inputSize + across;
        for (let column = start; column < end; column++) sum += gradOutput[from + column] * input[line + column * width.stride];
      }
      sums[tap] += sum;
    }
  }
  return problem.dtype === "float64" ? sums : Float32Array.from(sums);
}

/** One row of Wᵀ · g, [positions]: the gradient of a row of the im2col matrix. */
export function gradColumnsRow(problem: Problem, weight: Numbers, gradOutput: Numbers, image: number, row: number): Numbers {
  const positions = count(outputSize(problem));
  const filters = filtersPerGroup(problem);
  const k = channelsPerGroup(problem) * tapCount(problem);
  const first = Math.floor(row / k) * filters;
  const sums = new Float64Array(positions);
  for (let filter = first; filter < first + filters; filter++) {
    const factor = weight[filter * k + (row % k)];
    const start = (image * problem.outChannels + filter) * positions;
    for (let place = 0; place < positions; place++) sums[place] += factor * gradOutput[start + place];
  }
  return problem.dtype === "float64" ? sums : Float32Array.from(sums);
}

/** A gradient of the output, from a fixed seed: 1 and 2 and their negatives, so that every product can be followed. */
export function randomGradient(problem: Problem): Numbers {
  const drawn = random(count(outputShape(problem)), 2, 4, problem.dtype);
  return drawn.map((value) => (value < 0 ? Math.floor(value) : Math.ceil(value)));
}
