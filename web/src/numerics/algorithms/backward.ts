// Both gradients of a convolution, each as a convolution and as a matrix product: the steps of
// Python's `backward`. Both forms compute the same array.

import { axes, channelsPerGroup, convolutionOf, count, gemm, inputShape, outputShape, outputSize, tapCount, unravel, weightShape } from "../../model/problem";
import type { Problem } from "../../model/problem";
import { zeros } from "../../model/tensors";
import type { Numbers } from "../../model/tensors";
import { convolve, operandsOf, unfold } from "../convolution";
import type { Operands } from "../convolution";
import { gradColumnsRow, gradWeightPlane, inputGradientProblem, weightGradientOperands, weightGradientProblem } from "../gradients";
import type { Step } from "./step";

export interface Backward {
  readonly inputSteps: readonly Step[];
  readonly weightSteps: readonly Step[];
}

/** gradOutput: the gradient of some number with respect to the output, of the output's shape. */
export function backward(problem: Problem, operands: Operands, gradOutput: Numbers): Backward {
  return {
    inputSteps: inputSteps(problem, operands.weight, gradOutput),
    weightSteps: weightSteps(problem, operands.input, gradOutput),
  };
}

function inputSteps(problem: Problem, weight: Numbers, gradOutput: Numbers): Step[] {
  const transposed = inputGradientProblem(problem);
  const plain = convolutionOf(transposed);
  const original: Operands = { input: gradOutput, weight, bias: null };
  const plainOperands = operandsOf(transposed, original);
  const { groups, k } = gemm(problem);
  const positions = count(outputSize(problem));
  const gradColumns = zeros(problem.batch * groups * k * positions, problem.dtype);
  for (let line = 0; line < problem.batch * groups * k; line++) {
    const [image, row] = [Math.floor(line / (groups * k)), line % (groups * k)];
    gradColumns.set(gradColumnsRow(problem, weight, gradOutput, image, row), line * positions);
  }
  return [
    { name: "grad_output", shape: outputShape(problem), values: gradOutput },
    { name: "zero_inserted", shape: inputShape(plain), values: plainOperands.input },
    { name: "flipped", shape: weightShape(plain), values: plainOperands.weight },
    { name: "grad_input", shape: inputShape(problem), values: convolve(transposed, original) },
    { name: "grad_columns", shape: [problem.batch, groups * k, positions], values: gradColumns },
    { name: "folded", shape: inputShape(problem), values: fold(problem, gradColumns) },
  ];
}

function weightSteps(problem: Problem, input: Numbers, gradOutput: Numbers): Step[] {
  const { batch, dtype, outChannels } = problem;
  const gradient = weightGradientProblem(problem);
  const gradientOperands = weightGradientOperands(problem, input, gradOutput);
  const perGroup = channelsPerGroup(problem);
  const { groups, k } = gemm(problem);
  const positions = count(outputSize(problem));
  const columns = zeros(batch * groups * k * positions, dtype);
  for (let image = 0; image < batch; image++) columns.set(unfold(problem, input, image), image * groups * k * positions);

  const product = zeros(outChannels * k, dtype);
  for (let plane = 0; plane < outChannels * perGroup; plane++) {
    product.set(gradWeightPlane(problem, input, gradOutput, Math.floor(plane / perGroup), plane % perGroup), plane * tapCount(problem));
  }
  const gradBias = zeros(outChannels, dtype);
  for (let filter = 0; filter < outChannels; filter++) {
    let sum = 0;
    for (const value of gradientOperands.weight.subarray(filter * batch * positions, (filter + 1) * batch * positions)) sum += value;
    gradBias[filter] = sum;
  }
  return [
    { name: "swapped_input", shape: inputShape(gradient), values: gradientOperands.input },
    { name: "kernels", shape: weightShape(gradient), values: gradientOperands.weight },
    { name: "grad_weight", shape: weightShape(problem), values: cropToKernel(problem, convolve(gradient, gradientOperands)) },
    { name: "columns", shape: [batch, groups * k, positions], values: columns },
    { name: "product", shape: weightShape(problem), values: product },
    { name: "grad_bias", shape: [outChannels], values: gradBias },
  ];
}

/** Of [channels of a group, out_channels, …] the places of the kernel, with channels and filters changed about. */
function cropToKernel(problem: Problem, whole: Numbers): Numbers {
  const [tall, wide] = outputSize(weightGradientProblem(problem));
  const perGroup = channelsPerGroup(problem);
  const [rows, columns] = problem.kernelSize;
  const weight = zeros(count(weightShape(problem)), problem.dtype);
  for (let line = 0; line < problem.outChannels * perGroup * rows; line++) {
    const [plane, row] = [Math.floor(line / rows), line % rows];
    const [filter, channel] = [Math.floor(plane / perGroup), plane % perGroup];
    const start = ((channel * problem.outChannels + filter) * tall + row) * wide;
    weight.set(whole.subarray(start, start + columns), line * columns);
  }
  return weight;
}

/** The sum of columns back into an image, also called col2im: the transpose of `unfold`. */
function fold(problem: Problem, columns: Numbers): Numbers {
  const [height, width] = axes(problem);
  const positions = height.outputSize * width.outputSize;
  const rows = problem.inChannels * tapCount(problem);
  const sums = new Float64Array(count(inputShape(problem)));
  for (let line = 0; line < problem.batch * rows; line++) {
    const [channel, tapRow, tapColumn] = unravel(problem, line); // the channel counts through the batch
    for (let n = 0; n < positions; n++) {
      const y = Math.floor(n / width.outputSize) * height.stride + tapRow * height.dilation - height.padding[0];
      const x = (n % width.outputSize) * width.stride + tapColumn * width.dilation - width.padding[0];
      if (y < 0 || y >= height.inputSize || x < 0 || x >= width.inputSize) continue;
      sums[(channel * height.inputSize + y) * width.inputSize + x] += columns[line * positions + n];
    }
  }
  return problem.dtype === "float64" ? sums : Float32Array.from(sums);
}
