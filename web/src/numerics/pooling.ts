// ReLU and pooling: what is between convolutions.

import { axes, inputShape, outputSize } from "../model/problem";
import type { Axis, Problem } from "../model/problem";
import { zeros } from "../model/tensors";
import type { Numbers } from "../model/tensors";

export const relu = (input: Numbers): Numbers => input.map((value) => (value < 0 ? 0 : value));

/** The largest number or the mean of each window, as PyTorch's: a mean counts padding as zeros, a maximum leaves it out. */
export function pool(kind: "maxpool" | "avgpool", problem: Problem, input: Numbers): Numbers {
  const [height, width] = axes(problem);
  const [, channels] = inputShape(problem);
  const [rows, columns] = outputSize(problem);
  const output = zeros(channels * rows * columns, input instanceof Float64Array ? "float64" : "float32");
  let place = 0;
  for (let channel = 0; channel < channels; channel++) {
    const plane = input.subarray(channel * height.inputSize * width.inputSize, (channel + 1) * height.inputSize * width.inputSize);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) output[place++] = ofWindow(kind, plane, height, width, row, column);
    }
  }
  return output;
}

function ofWindow(kind: "maxpool" | "avgpool", plane: Numbers, height: Axis, width: Axis, row: number, column: number): number {
  let most = -Infinity;
  let sum = 0;
  for (let down = 0; down < height.kernelSize; down++) {
    const y = row * height.stride + down * height.dilation - height.padding[0];
    if (y < 0 || y >= height.inputSize) continue;
    for (let across = 0; across < width.kernelSize; across++) {
      const x = column * width.stride + across * width.dilation - width.padding[0];
      if (x < 0 || x >= width.inputSize) continue;
      const value = plane[y * width.inputSize + x];
      sum += value;
      if (value > most || Number.isNaN(value)) most = value;
    }
  }
  return kind === "maxpool" ? most : sum / (height.kernelSize * width.kernelSize);
}
