// im2col: each window becomes a column, each filter a row, and the convolution one matrix product.

import { count, gemm, inputShape, outputShape, outputSize } from "../../model/problem";
import type { Problem } from "../../model/problem";
import { zeros } from "../../model/tensors";
import type { Numbers } from "../../model/tensors";
import { unfold } from "../convolution";
import type { Algorithm } from "./step";

export const im2col: Algorithm = (problem, { input, weight, bias }) => {
  const { batch, dtype, inChannels, outChannels } = problem;
  const { groups, m, k } = gemm(problem);
  const n = count(outputSize(problem));
  const columns = zeros(batch * groups * k * n, dtype);
  for (let image = 0; image < batch; image++) columns.set(unfold(problem, input, image), image * groups * k * n);

  const product = zeros(batch * outChannels * n, dtype);
  for (let image = 0; image < batch; image++) {
    for (let filter = 0; filter < outChannels; filter++) {
      const group = Math.floor(filter / m);
      for (let position = 0; position < n; position++) {
        let sum = bias ? bias[filter] : 0;
        for (let tap = 0; tap < k; tap++) {
          sum += weight[filter * k + tap] * columns[((image * groups + group) * k + tap) * n + position];
        }
        product[(image * outChannels + filter) * n + position] = sum;
      }
    }
  }
  const [, , height, width] = inputShape(problem);
  const [top, bottom] = problem.padding[0];
  const [left, right] = problem.padding[1];
  return [
    { name: "padded", shape: [batch, inChannels, height + top + bottom, width + left + right], values: padded(problem, input) },
    { name: "columns", shape: [batch, groups * k, n], values: columns },
    { name: "rows", shape: [groups, m, k], values: weight },
    { name: "product", shape: [batch, outChannels, n], values: product },
    { name: "output", shape: outputShape(problem), values: product },
  ];
};

/** The input with its zeros around it, [batch, in_channels, *padded_size]. */
export function padded(problem: Problem, input: Numbers): Numbers {
  const [batch, channels, height, width] = inputShape(problem);
  const [[top, bottom], [left, right]] = problem.padding;
  const [tall, wide] = [height + top + bottom, width + left + right];
  const values = zeros(count([batch, channels, tall, wide]), problem.dtype);
  for (let line = 0; line < batch * channels * height; line++) {
    const [plane, row] = [Math.floor(line / height), line % height];
    values.set(input.subarray(line * width, (line + 1) * width), (plane * tall + row + top) * wide + left);
  }
  return values;
}
