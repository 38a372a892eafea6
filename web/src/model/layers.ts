// A strip of layers, each of which reads the output of the one before: convolutions, ReLU and pooling.
// In shorthand, as Python's: "3x32x32 8@3x3 p1 relu maxpool 2 16@3x3". A convolution may state an input of its
// own ("8x30x30 16@3x3"); where the layer before does not write that, it does not fit.

import { inputShape, outputShape, refusal, weightShape } from "./problem";
import type { Pair, Problem } from "./problem";
import { format, parse } from "./shorthand";
import type { Source } from "./source";
import type { Array4 } from "./tensors";

export type LayerKind = "conv" | "relu" | "maxpool" | "avgpool";

/** A layer as it is written; the arrays are a convolution's, where its numbers are known. */
export interface Layer {
  readonly name: string; // in the model it comes from; otherwise empty
  readonly text: string; // the first one's with its input
  readonly weight?: Array4 | undefined;
  readonly bias?: Array4 | undefined;
  readonly changes?: Changes | undefined; // what the reader typed over the numbers, while another layer is open
}

/** What a reader changed of a layer's numbers: a kernel by name, and numbers one by one. */
export type Changes = Pick<Source, "kernel" | "edits">;

/** A layer at its place in the strip. */
export interface PlacedLayer extends Layer {
  readonly kind: LayerKind;
  /** The windows of the layer; of pooling and ReLU those of a convolution of each channel. Null where it has no output. */
  readonly problem: Problem | null;
  /** Why it does not read the layer before; empty where it does. */
  readonly misfit: string;
}

const SIZES = /^\d{1,9}(x\d{1,9})*$/;
const POOLING = /^(maxpool|avgpool) (\d{1,9})(?:x(\d{1,9}))?((?: [spd]\d{1,9}(?:x\d{1,9})?)*)$/;
export const LAYER_EXAMPLES = ["8@3x3 p1", "relu", "maxpool 2", "avgpool 2", "16@3x3 s2 p1", "4@1x1"];

export const kindOf = (text: string): LayerKind => {
  const [word] = text.split(" ");
  return word === "relu" || word === "maxpool" || word === "avgpool" ? word : "conv";
};

export const titleOf = (layer: Layer, place: number): string => layer.name || `layer ${place + 1}`;

/** Reads the layers of a strip in shorthand. */
export function readLayers(text: string): Layer[] {
  const layers: string[][] = [];
  for (const word of text.replaceAll("×", "x").trim().split(/\s+/)) {
    const current = layers[layers.length - 1] ?? [];
    const isWindow = /pool$/.test(current[current.length - 1] ?? "");
    const hasInput = current.length === 1 && SIZES.test(current[0]);
    const begins = word === "relu" || word.endsWith("pool") || SIZES.test(word) || (word.includes("@") && !hasInput);
    if (layers.length && (isWindow || !begins)) current.push(word);
    else layers.push([word]);
  }
  return layers.map((words) => ({ name: "", text: words.join(" ") }));
}

export const writeLayers = (layers: readonly Layer[]): string => layers.map(({ text }) => text).join(" ");

/** The layers with what each computes, given what the ones before write. */
export function place(layers: readonly Layer[]): PlacedLayer[] {
  const placed: PlacedLayer[] = [];
  for (const [index, layer] of layers.entries()) {
    const before = placed[index - 1] as PlacedLayer | undefined;
    placed.push({ ...layer, kind: kindOf(layer.text), ...fitted(layer, index, before, before?.problem ? outputShape(before.problem).slice(1) : null) });
  }
  return placed;
}

function fitted(layer: Layer, index: number, before: PlacedLayer | undefined, written: readonly number[] | null): Pick<PlacedLayer, "problem" | "misfit"> {
  const [first] = layer.text.split(" ");
  try {
    if (kindOf(layer.text) === "conv" && SIZES.test(first)) {
      const problem = index ? { ...parse(layer.text), batch: 1 } : parse(layer.text);
      return { problem, misfit: before ? misfitOf(problem, layer, index, before, written) : "" };
    }
    if (!written) {
      const cause = before ? `${titleOf(before, index - 1)} has no output` : "the first layer states its input, such as 3x32x32 8@3x3";
      return { problem: null, misfit: `${cause}.` };
    }
    const problem = kindOf(layer.text) === "conv" ? parse(`${written.join("x")} ${layer.text}`) : windowsOf(layer.text, written);
    return { problem, misfit: "" };
  } catch (error) {
    return { problem: null, misfit: `${(error as Error).message}.` };
  }
}

function misfitOf(problem: Problem, layer: Layer, index: number, before: PlacedLayer, written: readonly number[] | null): string {
  const [, ...reads] = inputShape(problem);
  if (written && reads.join() === written.join()) return "";
  const [mine, theirs] = [titleOf(layer, index), titleOf(before, index - 1)];
  const instead = `so ${mine} reads random numbers instead`;
  if (!written) return `${theirs} has no output, ${instead}.`;
  if (reads[0] !== written[0]) return `${mine} reads ${reads[0]} channels, but ${theirs} writes ${written[0]}, ${instead}.`;
  return `${mine} reads ${reads.slice(1).join(" × ")} pixels, but ${theirs} writes ${written.slice(1).join(" × ")}, ${instead}.`;
}

/** The windows of pooling or ReLU, as those of a convolution of each channel. */
function windowsOf(text: string, [channels, ...size]: readonly number[]): Problem {
  const pooling = POOLING.exec(text);
  if (text !== "relu" && !pooling) throw new Error(`a layer is written 8@3x3 p1, relu, maxpool 2 or avgpool 3x3 s2 p1, not ${text}`);
  const [, kind, rows, columns = rows, options] = pooling ?? ["", "relu", "1", "1", ""];
  const kernelSize: Pair = [Number(rows), Number(columns)];
  const steps: { s: Pair; p: Pair; d: Pair } = { s: kernelSize, p: [0, 0], d: [1, 1] };
  for (const word of options.split(" ").filter(Boolean)) {
    const [one, other = one] = word.slice(1).split("x").map(Number);
    steps[word[0] as "s" | "p" | "d"] = [one, other];
  }
  if (kind === "avgpool" && Math.max(...steps.d) > 1) throw new Error("avgpool has no dilation");
  steps.p.forEach((padding, axis) => {
    if (padding > kernelSize[axis] / 2) throw new Error(`pooling is padded by at most half its window, and ${text} by ${padding}`);
  });
  const problem: Problem = {
    batch: 1,
    inChannels: channels,
    outChannels: channels,
    inputSize: [size[0], size[1]],
    kernelSize,
    stride: steps.s,
    padding: [[steps.p[0], steps.p[0]], [steps.p[1], steps.p[1]]],
    dilation: steps.d,
    groups: channels,
    bias: false,
    dtype: "float32",
    same: false,
    transposed: false,
    outputPadding: [0, 0],
  };
  const cause = refusal(problem);
  if (cause !== null) throw new Error(cause);
  return problem;
}

/** The layers with one that computes another problem: its input is written where the layer before does not write it. */
export function withProblem(layers: readonly Layer[], index: number, problem: Problem): Layer[] {
  const before = index ? place(layers)[index - 1].problem : null;
  const [input, ...rest] = format({ ...problem, batch: index ? 1 : problem.batch }).split(" ");
  const follows = before && outputShape(before).slice(1).join() === inputShape(problem).slice(1).join();
  const { name, weight, bias, changes } = layers[index];
  const kept = weight?.shape.join() === weightShape(problem).join() ? { weight, bias } : {};
  return layers.map((layer, at) => (at === index ? { name, changes, ...kept, text: follows ? rest.join(" ") : [input, ...rest].join(" ") } : layer));
}
