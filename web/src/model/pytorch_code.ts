// The layer as PyTorch code that computes this page's numbers: weight, bias and input written out, few of them as people
// write them, many as their bytes in base64.

import { literal } from "./literal";
import { convolutionOf, count, inputShape, weightShape } from "./problem";
import type { Problem } from "./problem";
import { encode } from "./tensors";
import type { Numbers } from "./tensors";

const MOST_READABLE = 400; // numbers of an array
const MOST_WRITTEN = 1_000_000; // about 5 MB of text

interface Operands {
  readonly input: Numbers; // as the layer has them
  readonly weight: Numbers;
  readonly bias: Numbers | null;
}

/** Code that runs as it is; `about` says what the input is, in lines of comments. */
export function pytorchCode(problem: Problem, { input, weight, bias }: Operands, about: readonly string[]): string {
  const arrays = [
    { name: "conv.weight", values: weight, shape: weightShape(problem) },
    ...(bias ? [{ name: "conv.bias", values: bias, shape: [problem.outChannels] }] : []),
  ];
  const x = { name: "x", values: input, shape: inputShape(problem) };
  const all = [...arrays, x].map(({ values }) => values.length);
  const inBytes = all.some((numbers) => numbers > MOST_READABLE && numbers <= MOST_WRITTEN);
  const parameters = arrays.map(({ name, values, shape }) =>
    values.length > MOST_WRITTEN ? `    # ${name} has ${values.length} numbers, too many to write out: it is PyTorch's own` : assigned(`    ${name}.copy_(`, problem, values, shape, ")"),
  );
  const given = input.length > MOST_WRITTEN
    ? [`# the page's input has ${input.length} numbers, too many to write out: this one is random`, `x = torch.randn(${x.shape.join(", ")}${options(problem)})`]
    : [...about.map((line) => `# ${line}`), assigned("x = ", problem, input, x.shape, "")];
  return [
    ...(inBytes ? ["import base64", ""] : []),
    "import torch",
    "from torch import nn",
    "",
    ...(inBytes ? reader(problem) : []),
    layer(problem),
    "with torch.no_grad():",
    ...parameters,
    "",
    ...given,
    call(problem),
    "",
  ].join("\n");
}

function layer(problem: Problem): string {
  const { padding } = problem;
  const all: [string, string, string][] = [
    ["stride", tuple(problem.stride), "1"],
    ["padding", problem.same ? "'same'" : even(problem) ? tuple([padding[0][0], padding[1][0]]) : "0", "0"],
    ["output_padding", tuple(problem.outputPadding), "0"],
    ["dilation", tuple(problem.dilation), "1"],
    ["groups", `${problem.groups}`, "1"],
    ["bias", problem.bias ? "True" : "False", "True"],
    ["dtype", `torch.${problem.dtype}`, "torch.float32"],
  ];
  const written = all.filter(([, value, usual]) => value !== usual).map(([name, value]) => `, ${name}=${value}`);
  const kind = problem.transposed ? "ConvTranspose2d" : "Conv2d";
  return `conv = nn.${kind}(${problem.inChannels}, ${problem.outChannels}, ${tuple(problem.kernelSize)}${written.join("")})`;
}

/** PyTorch's layers pad both sides alike; other paddings are added before, or cut off after. */
function call(problem: Problem): string {
  if (even(problem) || problem.same) return "y = conv(x)";
  const [[top, bottom], [left, right]] = problem.padding;
  if (!problem.transposed) return `y = conv(nn.functional.pad(x, (${left}, ${right}, ${top}, ${bottom})))`;
  const [tall, wide] = sizeUncut(problem);
  return `y = conv(x)[:, :, ${top}:${tall - bottom}, ${left}:${wide - right}]`;
}

const even = ({ padding }: Problem): boolean => padding.every(([before, after]) => before === after);
const tuple = (pair: readonly [number, number]): string => (pair[0] === pair[1] ? `${pair[0]}` : `(${pair.join(", ")})`);
const options = ({ dtype }: Problem): string => (dtype === "float64" ? ", dtype=torch.float64" : "");

function sizeUncut(problem: Problem): readonly [number, number] {
  const whole = convolutionOf({ ...problem, padding: [[0, 0], [0, 0]] });
  const along = (place: 0 | 1): number => {
    const [before, after] = whole.padding[place];
    return whole.inputSize[place] + before + after - whole.dilation[place] * (whole.kernelSize[place] - 1);
  };
  return [along(0), along(1)];
}

function reader({ dtype }: Problem): string[] {
  return [
    "",
    "def numbers(text, *shape):",
    `    """Return a tensor of a shape from the bytes of its ${dtype} numbers, in base64."""`,
    `    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.${dtype}).reshape(shape)`,
    "",
    "",
  ];
}

function assigned(before: string, problem: Problem, values: Numbers, shape: readonly number[], after: string): string {
  const typed = problem.dtype === "float64" ? Float64Array.from(values) : Float32Array.from(values);
  if (values.length > MOST_READABLE) return `${before}numbers("${encode(shape, typed).data}", ${shape.join(", ")})${after}`;
  const start = `${before}torch.tensor(`;
  return `${start}${nested(typed, shape, " ".repeat(start.length + 1), problem.dtype)}${options(problem)})${after}`;
}

/** Brackets as PyTorch prints them, a row in each line. */
function nested(values: Numbers, shape: readonly number[], indent: string, dtype: Problem["dtype"]): string {
  if (shape.length === 1) return `[${Array.from(values, (value) => python(value, dtype)).join(", ")}]`;
  const size = count(shape.slice(1));
  const parts = Array.from({ length: shape[0] }, (_, place) => nested(values.subarray(place * size, (place + 1) * size) as Numbers, shape.slice(1), `${indent} `, dtype));
  return `[${parts.join(`,\n${indent}`)}]`;
}

function python(value: number, dtype: Problem["dtype"]): string {
  if (!Number.isFinite(value)) return `float("${Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf"}")`;
  const text = literal(value, dtype);
  return /[.e]/.test(text) ? text : `${text}.`;
}
