// The gradients of a scene. The output's gradient is given; those of the input, the weight and the im2col matrix
// are computed in small pieces. The gradient of one pixel or weight is a sum of terms.

import { outputAt } from "../../model/focus";
import type { Focus, OutputFocus } from "../../model/focus";
import { channelsPerGroup, count, filtersPerGroup, gemm, groupOf, outputShape, readersOf, tapCount, unravel, weightShape } from "../../model/problem";
import { zeros } from "../../model/tensors";
import type { Numbers } from "../../model/tensors";
import { largestMagnitude } from "../../numerics/arrays";
import { gradColumnsRow, gradWeightPlane, inputGradientProblem, randomGradient } from "../../numerics/gradients";
import { Scene } from "../../numerics/scene";

const MOST_COPIES = 16_000_000; // numbers of Wᵀ · g that are kept

/** One term of a gradient: the gradient of an output times the weight or the pixel of one of its products. */
export interface GradientTerm {
  readonly from: OutputFocus; // with its tap
  readonly image: number;
  readonly x: number; // of the output's gradient
  readonly w: number; // the other factor
  readonly k: number; // its index among the terms
}

const cache = new WeakMap<Scene, Gradients>();

export function gradientsOf(scene: Scene): Gradients {
  const gradients = cache.get(scene) ?? new Gradients(scene);
  cache.set(scene, gradients);
  return gradients;
}

export class Gradients {
  /** What arrives, [batch, out_channels, *output_size]. */
  readonly output: Numbers;
  readonly outputScale: number;
  /** The input's gradient of the first image, as the transposed convolution that it is. */
  readonly gradientScene: Scene;
  private readonly columns: Numbers | null; // Wᵀ · g of the first image; null where that is too much to keep
  private readonly weight: Numbers; // NaN where not computed yet
  private rows = 0; // of columns, computed
  private columnsLargest = 0;
  private weightLargest = 0;

  constructor(private readonly scene: Scene) {
    const { problem } = scene;
    this.output = randomGradient(problem);
    this.outputScale = largestMagnitude(this.output);
    const [, ...image] = outputShape(problem);
    const input = { shape: [1, ...image], values: this.output.subarray(0, count(image)) as Numbers };
    const transposed = inputGradientProblem({ ...problem, batch: 1 });
    const weight = { shape: weightShape(transposed), values: scene.operands.weight };
    this.gradientScene = new Scene(transposed, { name: "", resampled: false, photograph: false, input, weight }, "");
    const { groups, k } = gemm(problem);
    const copies = groups * k * scene.positions;
    this.columns = copies <= MOST_COPIES ? zeros(copies, problem.dtype).fill(NaN) : null;
    this.weight = zeros(count(weightShape(problem)), problem.dtype).fill(NaN);
  }

  get keepsColumns(): boolean {
    return this.columns !== null;
  }

  get columnsScale(): number {
    return this.columnsLargest || 1;
  }

  get weightScale(): number {
    return this.weightLargest || 1;
  }

  outputAt(filter: number, row: number, column: number, image = 0): number {
    const { problem, positions, axes } = this.scene;
    return this.output[(image * problem.outChannels + filter) * positions + row * axes[1].outputSize + column];
  }

  columnsAt(group: number, row: number, position: number): number {
    return this.columns?.[(group * gemm(this.scene.problem).k + row) * this.scene.positions + position] ?? NaN;
  }

  weightAt(filter: number, k: number): number {
    return this.weight[filter * gemm(this.scene.problem).k + k];
  }

  /** Computes the input's gradient, one piece at each step. */
  *inputWork(): Generator<void> {
    while (this.gradientScene.compute(0)) yield;
  }

  /** Computes Wᵀ · g, one piece at each step. */
  *columnsWork(): Generator<void> {
    const { problem, operands, positions } = this.scene;
    while (this.columns && this.rows < this.columns.length / positions) {
      const row = gradColumnsRow(problem, operands.weight, this.output, 0, this.rows);
      this.columns.set(row, this.rows * positions);
      this.columnsLargest = Math.max(this.columnsLargest, largestMagnitude(row));
      this.rows++;
      yield;
    }
  }

  /** Computes the gradient of some filters' weights of some channels, one piece at each step. */
  *weightWork(filters: Range, channels: Range): Generator<void> {
    const { problem, operands } = this.scene;
    const taps = tapCount(problem);
    for (let filter = filters.start; filter < filters.end; filter++) {
      for (let channel = channels.start; channel < channels.end; channel++) {
        const place = (filter * channelsPerGroup(problem) + channel) * taps;
        if (!Number.isNaN(this.weight[place])) continue;
        const plane = gradWeightPlane(problem, operands.input, this.output, filter, channel);
        this.weight.set(plane, place);
        this.weightLargest = Math.max(this.weightLargest, largestMagnitude(plane));
        yield;
      }
    }
  }

  /** The terms of a pixel's gradient: one for every product that used it. */
  pixelTerms({ channel, row, column }: Extract<Focus, { kind: "input" }>): GradientTerm[] {
    const { problem, axes } = this.scene;
    const perGroup = channelsPerGroup(problem);
    const first = Math.floor(channel / perGroup) * filtersPerGroup(problem);
    const terms: GradientTerm[] = [];
    for (let filter = first; filter < first + filtersPerGroup(problem); filter++) {
      for (const down of readersOf(axes[0], row)) {
        for (const across of readersOf(axes[1], column)) {
          const tap = ((channel % perGroup) * axes[0].kernelSize + down.tap) * axes[1].kernelSize + across.tap;
          const from = outputAt(filter, down.output, across.output, tap);
          const x = this.outputAt(filter, down.output, across.output);
          terms.push({ from, image: 0, x, w: this.scene.weightAt(filter, tap), k: terms.length });
        }
      }
    }
    return terms;
  }

  /** The terms of a weight's gradient: one for every pixel that it multiplies, of every image; padding has none. */
  weightTerms({ filter, k }: Extract<Focus, { kind: "weight" }>): GradientTerm[] {
    const { problem, axes, operands } = this.scene;
    const [height, width] = axes;
    const [channel, tapRow, tapColumn] = unravel(problem, k);
    const plane = groupOf(problem, filter) * channelsPerGroup(problem) + channel;
    const terms: GradientTerm[] = [];
    for (let image = 0; image < problem.batch; image++) {
      const first = (image * problem.inChannels + plane) * height.inputSize;
      for (let row = 0; row < height.outputSize; row++) {
        const y = row * height.stride + tapRow * height.dilation - height.padding[0];
        if (y < 0 || y >= height.inputSize) continue;
        for (let column = 0; column < width.outputSize; column++) {
          const x = column * width.stride + tapColumn * width.dilation - width.padding[0];
          if (x < 0 || x >= width.inputSize) continue;
          const pixel = operands.input[(first + y) * width.inputSize + x];
          terms.push({ from: outputAt(filter, row, column, k), image, x: this.outputAt(filter, row, column, image), w: pixel, k: terms.length });
        }
      }
    }
    return terms;
  }

  /** The gradient of a bias: the sum over all outputs of its filter. */
  biasGradient(filter: number): number {
    const { problem, positions } = this.scene;
    let sum = 0;
    for (let image = 0; image < problem.batch; image++) {
      const start = (image * problem.outChannels + filter) * positions;
      for (const value of this.output.subarray(start, start + positions)) sum += value;
    }
    return sum;
  }
}

interface Range {
  readonly start: number;
  readonly end: number;
}
