// What the explorer receives: anywidget's model, and the report that Python wrote into it.

import type { Layer, LayerKind } from "./layers";
import type { Gradients, Source } from "./source";
import { decode } from "./tensors";
import type { Tensor } from "./tensors";

export interface ReportLayer {
  readonly name: string;
  readonly kind: LayerKind;
  readonly text: string; // in shorthand; a convolution's with its input
  readonly weight?: Tensor;
  readonly bias?: Tensor;
}

export interface Report {
  readonly schema?: string;
  readonly problem?: string;
  readonly layers?: readonly ReportLayer[]; // of a strip; see Python's explore/layers.py
  readonly input?: Tensor;
  readonly weight?: Tensor;
  readonly bias?: Tensor;
  readonly output?: Tensor;
  readonly gradients?: Gradients; // what computes them in training
  readonly mode?: string;
  readonly inputKind?: "random" | "array" | "image"; // an image's channels are red, green and blue
  readonly source?: string; // for people
  readonly guide?: { readonly links: readonly { readonly label: string; readonly href: string }[] }; // the page begins with the guide
}

export interface Answer {
  readonly type: string;
  readonly id?: unknown;
  readonly output?: Tensor;
  readonly error?: string;
}

export interface Model {
  get(name: "report"): Report | undefined;
  get(name: "theme"): "dark" | "light" | undefined;
  get(name: "remote"): boolean | undefined; // Python answers what is sent
  get(name: "page"): boolean | undefined; // the explorer has the page to itself, and its address
  on(event: "msg:custom", listener: (content: Answer) => void): void;
  off(event: "msg:custom", listener: (content: Answer) => void): void;
  send(content: Record<string, unknown>): void;
}

export function reportLayers({ layers = [] }: Report): Layer[] {
  return layers.map(({ name, text, weight, bias }) => ({ name, text, weight: weight && decode(weight), bias: bias && decode(bias) }));
}

export function reportSource(report: Report): Source {
  const { input, inputKind = "array", weight, bias, output, gradients, source = "" } = report;
  return {
    name: source,
    resampled: input !== undefined && inputKind !== "random",
    photograph: input !== undefined && inputKind === "image",
    input: input && decode(input),
    weight: weight && decode(weight),
    bias: bias && decode(bias),
    output: output && decode(output),
    gradients,
    problem: report.problem,
  };
}
