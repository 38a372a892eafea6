// Both gradients of a convolution, each as the convolution it is: the steps of `glassconv.backward`.

import { zeros } from "../arrays";
import type { Numbers } from "../arrays";
import { convolve, convolvePlane, operandsOf } from "../convolution";
import type { Operands } from "../convolution";
import { biasGradient, inputGradient, weightGradient, weightGradientOperands } from "../gradients";
import { channelsPerGroup, convolutionOf, filtersPerGroup, inputShape, outputShape, tapCount, weightShape } from "../problem";
import type { Problem } from "../problem";
import type { Step } from "../step";

export function backward(problem: Problem, { input, weight }: Operands, g: Numbers): Step[] {
  const transposed = inputGradient(problem);
  const back = operandsOf(transposed, { input: g, weight, bias: null });
  return [
    { name: "grad_output", shape: outputShape(problem), values: g },
    { name: "stuffed", shape: inputShape(convolutionOf(transposed)), values: back.input },
    { name: "flipped", shape: weightShape(convolutionOf(transposed)), values: back.weight },
    { name: "grad_input", shape: inputShape(problem), values: convolve(transposed, { input: g, weight, bias: null }) },
    { name: "grad_weight", shape: weightShape(problem), values: gradWeight(problem, input, g) },
    { name: "grad_bias", shape: [problem.outChannels], values: biasGradient(problem, g) },
  ];
}

/** Every weight's gradient, summed over the batch: channel by channel, g slid over the picture. */
function gradWeight(problem: Problem, input: Numbers, g: Numbers): Numbers {
  const convolution = { ...weightGradient(problem), dtype: "float64" as const };
  const [channels, filters, taps] = [channelsPerGroup(problem), filtersPerGroup(problem), tapCount(problem)];
  const sums = new Float64Array(problem.outChannels * channels * taps);
  for (let image = 0; image < problem.batch; image++) {
    for (let channel = 0; channel < problem.inChannels; channel++) {
      const given = weightGradientOperands(problem, input, g, channel, image);
      const group = Math.floor(channel / channels);
      for (let filter = 0; filter < filters; filter++) {
        const first = ((group * filters + filter) * channels + (channel % channels)) * taps;
        convolvePlane(convolution, given, 0, filter).forEach((sum, tap) => (sums[first + tap] += sum));
      }
    }
  }
  const made = zeros(sums.length, problem.dtype);
  made.set(sums);
  return made;
}
