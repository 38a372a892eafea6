// A layer as PyTorch code.

import { convolutionOf } from "./problem";
import type { Problem } from "./problem";

/** The layer as one would write it, and the line that runs it. */
export function pytorchCode(problem: Problem): string {
  const tuple = (pair: readonly [number, number]): string => (pair[0] === pair[1] ? `${pair[0]}` : `(${pair.join(", ")})`);
  const { padding, batch, inChannels, inputSize } = problem;
  const even = padding.every(([before, after]) => before === after);
  const all: [string, string, string][] = [
    ["stride", tuple(problem.stride), "1"],
    ["padding", problem.same ? "'same'" : even ? tuple([padding[0][0], padding[1][0]]) : "0", "0"],
    ["output_padding", tuple(problem.outputPadding), "0"],
    ["dilation", tuple(problem.dilation), "1"],
    ["groups", `${problem.groups}`, "1"],
    ["bias", problem.bias ? "True" : "False", "True"],
    ["dtype", `torch.${problem.dtype}`, "torch.float32"],
  ];
  const options = all.filter(([, value, usual]) => value !== usual).map(([name, value]) => `, ${name}=${value}`);
  const kind = problem.transposed ? "ConvTranspose2d" : "Conv2d";
  const dtype = problem.dtype === "float64" ? ", dtype=torch.float64" : "";
  const lines = [
    "import torch",
    "from torch import nn",
    "",
    `conv = nn.${kind}(${inChannels}, ${problem.outChannels}, ${tuple(problem.kernelSize)}${options.join("")})`,
    `x = torch.randn(${[batch, inChannels, ...inputSize].join(", ")}${dtype})`,
  ];
  if (even || problem.same) return [...lines, "y = conv(x)", ""].join("\n");
  const [[top, bottom], [left, right]] = padding;
  if (!problem.transposed) return [...lines, `y = conv(nn.functional.pad(x, (${left}, ${right}, ${top}, ${bottom})))`, ""].join("\n");
  const [tall, wide] = sizeUncut(problem);
  return [...lines, `y = conv(x)[:, :, ${top}:${tall - bottom}, ${left}:${wide - right}]`, ""].join("\n");
}

function sizeUncut(problem: Problem): readonly [number, number] {
  const whole = convolutionOf({ ...problem, padding: [[0, 0], [0, 0]] });
  const along = (place: 0 | 1): number => {
    const [before, after] = whole.padding[place];
    return whole.inputSize[place] + before + after - whole.dilation[place] * (whole.kernelSize[place] - 1);
  };
  return [along(0), along(1)];
}
