// fft: with input and filters transformed, the convolution is one product for each frequency. `inputSpectrum`,
// `filterSpectrum`, `multiplyAdd` and `correlation` compute one channel and one filter; a mode calls them for
// what it draws. The algorithm's steps are those of all channels and filters.

import { axes, channelsPerGroup, count, filtersPerGroup, groupOf, macs, outputShape, tapCount, weightShape } from "../../model/problem";
import type { Pair, Problem } from "../../model/problem";
import { zeros } from "../../model/tensors";
import type { Numbers } from "../../model/tensors";
import { complex, fourier, powerOfTwo } from "./fourier";
import type { Complex } from "./fourier";
import { padded } from "./im2col";
import type { Algorithm } from "./step";

/** Points of the transform along each axis. */
export function transformLengths(problem: Problem): Pair {
  const [height, width] = axes(problem);
  return [powerOfTwo(height.paddedSize), powerOfTwo(width.paddedSize)];
}

/** The spectrum of one channel with its padding, followed by zeros up to the lengths. */
export function inputSpectrum(problem: Problem, input: Numbers, plane: number): Complex {
  const [height, width] = axes(problem);
  const lengths = transformLengths(problem);
  const signal = complex(count(lengths));
  for (let row = 0; row < height.inputSize; row++) {
    const y = row + height.padding[0];
    if (y < 0 || y >= height.paddedSize) continue;
    for (let column = 0; column < width.inputSize; column++) {
      const x = column + width.padding[0];
      if (x < 0 || x >= width.paddedSize) continue;
      signal.re[y * lengths[1] + x] = input[(plane * height.inputSize + row) * width.inputSize + column];
    }
  }
  fourier(signal, lengths, -1);
  return signal;
}

/** The spectrum of one filter's channel, zeros in the holes of dilation and after it. */
export function filterSpectrum(problem: Problem, weight: Numbers, plane: number): Complex {
  const lengths = transformLengths(problem);
  const [, wide] = problem.kernelSize;
  const signal = complex(count(lengths));
  for (let tap = 0; tap < tapCount(problem); tap++) {
    const [row, column] = [Math.floor(tap / wide) * problem.dilation[0], (tap % wide) * problem.dilation[1]];
    signal.re[row * lengths[1] + column] = weight[plane * tapCount(problem) + tap];
  }
  fourier(signal, lengths, -1);
  return signal;
}

/** sum += X · conj(W), frequency by frequency. */
export function multiplyAdd(sum: Complex, { re: xRe, im: xIm }: Complex, { re: wRe, im: wIm }: Complex): void {
  for (let place = 0; place < xRe.length; place++) {
    sum.re[place] += xRe[place] * wRe[place] + xIm[place] * wIm[place];
    sum.im[place] += xIm[place] * wRe[place] - xRe[place] * wIm[place];
  }
}

/** The real numbers whose spectrum this is: the filter at every place of the circle. */
export function correlation({ re, im }: Complex, lengths: Pair): Float64Array {
  const signal = { re: re.slice(), im: im.slice() };
  fourier(signal, lengths, 1);
  return signal.re.map((number) => number / count(lengths));
}

export const fft: Algorithm = (problem, { input, weight, bias }) => {
  const { batch, dtype, groups, inChannels, outChannels } = problem;
  const [height, width] = axes(problem);
  const lengths = transformLengths(problem);
  const perGroup = channelsPerGroup(problem);
  const filters = filtersPerGroup(problem);

  const pictures = Array.from({ length: batch * inChannels }, (_, plane) => inputSpectrum(problem, input, plane));
  const spectra = Array.from({ length: outChannels * perGroup }, (_, plane) => filterSpectrum(problem, weight, plane));
  const products = Array.from({ length: batch * outChannels }, (_, plane) => {
    const [image, filter] = [Math.floor(plane / outChannels), plane % outChannels];
    const sum = complex(count(lengths));
    for (let channel = 0; channel < perGroup; channel++) {
      const read = image * inChannels + groupOf(problem, filter) * perGroup + channel;
      multiplyAdd(sum, pictures[read], spectra[filter * perGroup + channel]);
    }
    return sum;
  });
  const planes = products.map((product) => correlation(product, lengths));

  const full = zeros(planes.length * count(lengths), dtype);
  planes.forEach((plane, place) => full.set(plane, place * count(lengths)));
  const output = zeros(count(outputShape(problem)), dtype);
  for (let place = 0; place < output.length; place++) {
    const [row, column] = [Math.floor(place / width.outputSize) % height.outputSize, place % width.outputSize];
    const plane = Math.floor(place / (height.outputSize * width.outputSize));
    const from = row * height.stride * lengths[1] + column * width.stride;
    output[place] = full[plane * count(lengths) + from] + (bias ? bias[plane % outChannels] : 0);
  }
  const frequencies = [lengths[0], Math.floor(lengths[1] / 2) + 1];
  return [
    { name: "padded", shape: [batch, inChannels, height.paddedSize, width.paddedSize], values: padded(problem, input) },
    { name: "filters", shape: [groups, filters, perGroup, height.extent, width.extent], values: dilated(problem, weight) },
    { name: "input spectrum", shape: [batch, groups, perGroup, ...frequencies], complex: true, values: halves(pictures, lengths, dtype) },
    { name: "filter spectrum", shape: [groups, filters, perGroup, ...frequencies], complex: true, values: halves(spectra, lengths, dtype) },
    { name: "product spectrum", shape: [batch, groups, filters, ...frequencies], complex: true, values: halves(products, lengths, dtype) },
    { name: "full correlation", shape: [batch, outChannels, ...lengths], values: full },
    { name: "output", shape: outputShape(problem), values: output },
  ];
};

/** The filters with zeros in the holes of dilation. */
function dilated(problem: Problem, weight: Numbers): Numbers {
  const [height, width] = axes(problem);
  const [filters, channels, tall, wide] = weightShape(problem);
  const values = zeros(filters * channels * height.extent * width.extent, problem.dtype);
  for (let place = 0; place < weight.length; place++) {
    const [row, column] = [(Math.floor(place / wide) % tall) * height.dilation, (place % wide) * width.dilation];
    values[(Math.floor(place / (tall * wide)) * height.extent + row) * width.extent + column] = weight[place];
  }
  return values;
}

/** The spectrum of real numbers is symmetric: of the last axis only half and one are kept, in pairs. */
function halves(planes: readonly Complex[], [rows, columns]: Pair, dtype: Problem["dtype"]): Numbers {
  const kept = Math.floor(columns / 2) + 1;
  const values = zeros(planes.length * rows * kept * 2, dtype);
  let place = 0;
  for (const { re, im } of planes) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < kept; column++) {
        values[place++] = re[row * columns + column];
        values[place++] = im[row * columns + column];
      }
    }
  }
  return values;
}

/** Multiplications of real numbers, as Python counts them (algorithms/parts/spectrum.py): in the transforms, and at the frequencies. */
export function multiplications(problem: Problem): { transforms: number; products: number; definition: number } {
  const lengths = transformLengths(problem);
  const points = count(lengths);
  const results = problem.batch * problem.outChannels;
  const perGroup = channelsPerGroup(problem);
  const planes = problem.batch * problem.inChannels + problem.outChannels * perGroup + results;
  return {
    transforms: planes * points * Math.log2(points),
    products: 4 * results * perGroup * lengths[0] * (Math.floor(lengths[1] / 2) + 1),
    definition: macs(problem),
  };
}
