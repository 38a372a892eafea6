// Both gradients of a convolution, each as a convolution and as a matrix product: the steps of
// Python's `backward`. In every pair the two ways make the same array.

import { zeros } from "../arrays";
import type { Numbers } from "../arrays";
import { convolve, operandsOf, unfold, unravel } from "../convolution";
import type { Operands } from "../convolution";
import { gradColumnsRow, gradWeightPlane, inputGradient, weightGradient, weightGradientOperands } from "../gradients";
import { axes, channelsPerGroup, convolutionOf, count, gemm, inputShape, outputShape, outputSize, tapCount, weightShape } from "../problem";
import type { Problem } from "../problem";
import type { Step } from "../step";

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
  const transposed = inputGradient(problem);
  const plain = convolutionOf(transposed);
  const asked: Operands = { input: gradOutput, weight, bias: null };
  const given = operandsOf(transposed, asked);
  const { groups, k } = gemm(problem);
  const positions = count(outputSize(problem));
  const gradColumns = zeros(problem.batch * groups * k * positions, problem.dtype);
  for (let line = 0; line < problem.batch * groups * k; line++) {
    const [image, row] = [Math.floor(line / (groups * k)), line % (groups * k)];
    gradColumns.set(gradColumnsRow(problem, weight, gradOutput, image, row), line * positions);
  }
  return [
    { name: "grad_output", shape: outputShape(problem), values: gradOutput },
    { name: "stuffed", shape: inputShape(plain), values: given.input },
    { name: "flipped", shape: weightShape(plain), values: given.weight },
    { name: "grad_input", shape: inputShape(problem), values: convolve(transposed, asked) },
    { name: "grad_columns", shape: [problem.batch, groups * k, positions], values: gradColumns },
    { name: "folded", shape: inputShape(problem), values: fold(problem, gradColumns) },
  ];
}

function weightSteps(problem: Problem, input: Numbers, gradOutput: Numbers): Step[] {
  const { batch, dtype, outChannels } = problem;
  const gradient = weightGradient(problem);
  const given = weightGradientOperands(problem, input, gradOutput);
  const { groups, m, k } = gemm(problem);
  const positions = count(outputSize(problem));
  const gradWeight = zeros(outChannels * k, dtype);
  for (let place = 0; place < outChannels * channelsPerGroup(problem); place++) {
    const [filter, channel] = [Math.floor(place / channelsPerGroup(problem)), place % channelsPerGroup(problem)];
    gradWeight.set(gradWeightPlane(problem, given, filter, channel), place * tapCount(problem));
  }

  const columns = zeros(batch * groups * k * positions, dtype);
  for (let image = 0; image < batch; image++) columns.set(unfold(problem, input, image), image * groups * k * positions);
  const product = zeros(outChannels * k, dtype);
  const gradBias = zeros(outChannels, dtype);
  for (let filter = 0; filter < outChannels; filter++) {
    const group = Math.floor(filter / m);
    const sums = new Float64Array(k);
    let bias = 0;
    for (let image = 0; image < batch; image++) {
      const row = gradOutput.subarray((image * outChannels + filter) * positions, (image * outChannels + filter + 1) * positions);
      for (const value of row) bias += value;
      for (let tap = 0; tap < k; tap++) {
        const start = ((image * groups + group) * k + tap) * positions;
        for (let place = 0; place < positions; place++) sums[tap] += row[place] * columns[start + place];
      }
    }
    product.set(sums, filter * k);
    gradBias[filter] = bias;
  }
  return [
    { name: "pictures", shape: inputShape(gradient), values: given.input },
    { name: "kernels", shape: weightShape(gradient), values: given.weight },
    { name: "grad_weight", shape: weightShape(problem), values: gradWeight },
    { name: "columns", shape: [batch, groups * k, positions], values: columns },
    { name: "product", shape: weightShape(problem), values: product },
    { name: "grad_bias", shape: [outChannels], values: gradBias },
  ];
}

/** The picture that columns add up to, also called col2im: `unfold`'s transpose. */
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
