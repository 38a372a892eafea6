// A problem with its numbers: what every pane and mode draws. The output is computed here, in slices
// in time slices so that the page stays responsive, or by Python where the page would take too long.

import { editsOf, isChanged, offsetOf, weightPlace } from "../model/edits";
import { namedWeight } from "../model/kernels";
import { axes, channelsPerGroup, convolutionOf, count, inputShape, macs, outputShape, outputSize, tapCount, weightShape } from "../model/problem";
import type { Axis, Problem } from "../model/problem";
import type { Edit, Source } from "../model/source";
import { decode, encode, zeros } from "../model/tensors";
import type { Numbers, Tensor } from "../model/tensors";
import { largestMagnitude, drawnInput, drawnWeight, resampleToInput } from "./arrays";
import { convolvePlane, operandsOf, terms } from "./convolution";
import type { Operands, Term } from "./convolution";
import { grey } from "./image_file";

const TOO_LARGE = 50_000_000; // multiply-adds, which Python does faster than the page

export class Scene {
  /** The plain convolution that is drawn; of a transposed problem the one that equals it. */
  readonly problem: Problem;
  readonly axes: readonly [Axis, Axis];
  /** The numbers as PyTorch's layer has them, and as the plain convolution reads them. */
  readonly originalOperands: Operands;
  readonly operands: Operands;
  readonly output: Numbers; // of the first image, NaN where not computed yet
  pytorch: Numbers | null; // PyTorch's output, where it is known
  readonly inputScale: number;
  readonly weightScale: number;
  private done = 0; // filters computed
  private scale = 0;

  constructor(
    readonly original: Problem,
    readonly source: Source,
    text: string,
  ) {
    this.problem = convolutionOf(original);
    this.axes = axes(this.problem);
    this.originalOperands = operandsOfSource(original, source);
    this.operands = operandsOf(original, this.originalOperands);
    this.inputScale = largestMagnitude(this.originalOperands.input);
    this.weightScale = largestMagnitude(this.originalOperands.weight);
    this.output = new Float64Array(original.outChannels * this.positions).fill(NaN);
    const hasOutput = source.output && source.problem === text && !isChanged(original, source);
    this.pytorch = hasOutput ? source.output.values : null;
    if (macs(original) / original.batch <= TOO_LARGE) this.compute(Infinity);
  }

  /** How the input's pixels are coloured, where it is a photograph. */
  get photograph(): "coloured" | "grey" | null {
    const { input, photograph } = this.source;
    if (!photograph || !input) return null;
    return this.problem.inChannels === 1 || input.shape[1] === 1 ? "grey" : "coloured";
  }

  /** Output positions of one filter. */
  get positions(): number {
    const [height, width] = outputSize(this.original);
    return height * width;
  }

  get complete(): boolean {
    return this.done >= this.original.outChannels;
  }

  /** The largest magnitude among the outputs that are known. */
  get outputScale(): number {
    return this.scale || 1;
  }

  /** Computes filters until the milliseconds have passed; false if all are computed already. */
  compute(milliseconds: number): boolean {
    if (this.complete) return false;
    const until = performance.now() + milliseconds;
    do {
      const plane = convolvePlane(this.problem, this.operands, 0, this.done);
      this.output.set(plane, this.done * this.positions);
      this.scale = Math.max(this.scale, largestMagnitude(plane));
      this.done++;
    } while (!this.complete && performance.now() < until);
    return true;
  }

  /** What to ask Python: the convolution of one image. */
  convolveRequest(text: string): Record<string, unknown> {
    const [, ...image] = inputShape(this.problem);
    const { input, weight, bias } = this.operands;
    return {
      type: "convolve",
      problem: text,
      input: encode([1, ...image], input.subarray(0, count(image)) as Numbers),
      weight: encode(weightShape(this.problem), weight),
      ...(bias ? { bias: encode([bias.length], bias) } : {}),
    };
  }

  /** Takes PyTorch's output, to compare with and for what is still missing. */
  receiveOutput(output: Tensor): void {
    const { values } = decode(output);
    if (values.length !== this.output.length) return;
    this.pytorch = values;
    if (this.complete) return;
    this.output.set(values);
    this.scale = largestMagnitude(values);
    this.done = this.original.outChannels;
  }

  terms(filter: number, row: number, column: number): Term[] {
    return terms(this.problem, this.operands, filter, row, column);
  }

  /** A pixel of the first image, of the plain convolution's input; NaN on padding. */
  pixel(channel: number, row: number, column: number): number {
    const [rows, columns] = this.problem.inputSize;
    if (row < 0 || row >= rows || column < 0 || column >= columns) return NaN;
    return this.operands.input[(channel * rows + row) * columns + column];
  }

  weightAt(filter: number, k: number): number {
    const perFilter = (this.problem.inChannels / this.problem.groups) * tapCount(this.problem);
    return this.operands.weight[filter * perFilter + k];
  }

  outputAt(filter: number, row: number, column: number): number {
    return this.output[filter * this.positions + row * this.axes[1].outputSize + column];
  }

  /** Whether a position of the input is a zero that a transposed convolution inserts between pixels. */
  isInsertedZero(row: number, column: number): boolean {
    return this.original.transposed && (row % this.original.stride[0] !== 0 || column % this.original.stride[1] !== 0);
  }
}

/** The numbers that a source has for a problem; what is missing or does not fit is random. */
export function operandsOfSource(problem: Problem, source: Source): Operands {
  return edited(problem, { input: inputOf(problem, source), ...weightOf(problem, source) }, editsOf(problem, source));
}

function inputOf(problem: Problem, source: Source): Numbers {
  const { input } = source;
  if (!input) return drawnInput(problem);
  if (same(input.shape, inputShape(problem))) return input.values;
  if (!source.resampled) return drawnInput(problem);
  const mixed = source.photograph && problem.inChannels === 1 && input.shape[1] === 3 ? grey(input) : input;
  return resampleToInput(mixed, problem);
}

function weightOf(problem: Problem, source: Source): { weight: Numbers; bias: Numbers | null } {
  const named = source.kernel ? namedWeight(source.kernel, problem) : null;
  if (named) return { weight: layersWeight(problem, named), bias: problem.bias ? zeros(problem.outChannels, problem.dtype) : null };
  const drawn = drawnWeight(problem);
  const fits = source.weight && same(source.weight.shape, weightShape(problem));
  if (!fits) return drawn;
  const bias = source.bias?.values.length === problem.outChannels ? source.bias.values : drawn.bias;
  return { weight: source.weight.values, bias: problem.bias ? bias : null };
}

/** A weight of the plain convolution as the layer has it. */
function layersWeight(problem: Problem, plain: readonly number[]): Numbers {
  const weight = zeros(plain.length, problem.dtype);
  const perFilter = channelsPerGroup(problem) * tapCount(problem);
  plain.forEach((value, place) => {
    weight[offsetOf(problem, weightPlace(problem, Math.floor(place / perFilter), place % perFilter))] = value;
  });
  return weight;
}

/** The operands with the numbers that the reader typed; the arrays of a source stay as they are. */
function edited(problem: Problem, operands: Operands, edits: readonly Edit[]): Operands {
  if (!edits.length) return operands;
  const arrays = { x: operands.input.slice(), w: operands.weight.slice(), b: operands.bias?.slice() ?? null };
  for (const edit of edits) {
    const array = arrays[edit.array];
    if (array) array[offsetOf(problem, edit)] = edit.value;
  }
  return { input: arrays.x, weight: arrays.w, bias: arrays.b };
}

const same = (one: readonly number[], other: readonly number[]): boolean => one.join() === other.join();

/** A scene in words, for screen readers. */
export function describe(scene: Scene): string {
  const { original } = scene;
  const what = original.transposed ? "Transposed convolution" : "Convolution";
  return `${what} of an input ${inputShape(original).join(" × ")} to an output ${outputShape(original).join(" × ")}`;
}

/** What the input is, and how to read a photograph of one's own in its place: comments of copied code. */
export function describeInput({ original, photograph, source }: Scene): readonly string[] {
  if (!photograph) return source.input ? [] : ["the input is the page’s own random picture"];
  const [mode, axes] = photograph === "grey" ? ["L", "[None, None]"] : ["RGB", ".permute(2, 0, 1)[None]"];
  const [height, width] = original.inputSize;
  return [
    `the input is a photograph, ${photograph === "grey" ? "grey" : "its channels red, green and blue"}, each number (pixel / 255 - 0.5) / 0.5; your own:`,
    `pixels = numpy.asarray(PIL.Image.open("photo.png").convert("${mode}").resize((${width}, ${height})))`,
    `x = (torch.tensor(pixels, dtype=torch.${original.dtype}) / 255 - 0.5)${axes} / 0.5`,
  ];
}
