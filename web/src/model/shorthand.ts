// Problems in shorthand, as people write them on a whiteboard: "3x32x32 4@5x5 s1 p0".
// The same texts as Python's problem/shorthand.py reads; tests/explore/test_shorthand.py compares them. The explorer computes in
// float32 and float64, and draws no volumes.

import { refusal, samePadding } from "./problem";
import type { Pair, Problem, Sides } from "./problem";

const SIZES = /^\d{1,9}(x\d{1,9})*$/;
const FILTERS = /^(\d{1,9})@(\d{1,9}(?:x\d{1,9})*)$/;
const DTYPES = ["float32", "float64", "float16", "bfloat16"]; // Python's
const OPTION = /^([spdgo])(same|valid|\d{1,9}(?::\d{1,9})?(?:x\d{1,9}(?::\d{1,9})?)*)$/;

/** The problem that a shorthand describes; throws an Error with the reason where there is none. */
export function parse(text: string): Problem {
  const words = text.replaceAll("×", "x").trim().split(/\s+/);
  const [inputWord = "", filterWord = "", ...options] = words;
  if (words.length < 2) throw new Error("a problem needs an input and filters, such as 3x32x32 4@5x5 s1 p0");
  if (!SIZES.test(inputWord)) throw new Error(`an input is written CxHxW, such as 3x32x32, not ${inputWord}`);
  const filters = FILTERS.exec(filterWord);
  if (!filters) throw new Error(`filters are written OUT@KxK, such as 4@5x5, not ${filterWord}`);

  const input = inputWord.split("x").map(Number);
  const kernel = filters[2].split("x").map(Number);
  if (kernel.length > 2) throw new Error("the explorer draws images and sequences, not volumes");
  const leading = input.length - kernel.length;
  if (leading !== 1 && leading !== 2) {
    throw new Error(`${kernel.length} kernel sizes need ${kernel.length + 1} input sizes, or one more with the batch`);
  }
  const sizes = input.slice(leading);
  const values = read(options, kernel.length);
  if (values.outputPadding && !values.transposed) throw new Error("only a transposed convolution has an output_padding: add the word transposed");
  if (values.rule && values.transposed) throw new Error(`a transposed convolution takes its padding as numbers, not as '${values.rule}'`);
  const problem: Problem = {
    batch: leading === 2 ? input[0] : 1,
    inChannels: input[leading - 1],
    outChannels: Number(filters[1]),
    inputSize: picture(sizes, 1),
    kernelSize: picture(kernel, 1),
    stride: picture(values.stride, 1),
    padding: picture(values.padding, [0, 0] as Sides),
    dilation: picture(values.dilation, 1),
    groups: values.groups,
    bias: values.bias,
    dtype: values.dtype,
    same: values.rule === "same",
    transposed: values.transposed,
    outputPadding: picture(values.outputPadding ?? perAxis([0], kernel.length), 0),
  };
  const padded = problem.same ? { ...problem, padding: samePadding(problem) } : problem;
  const cause = refusal(padded);
  if (cause !== null) throw new Error(cause);
  return padded;
}

/** A sequence is an image of one row. */
function picture<Entry>(entries: readonly Entry[], ofOneRow: Entry): readonly [Entry, Entry] {
  return entries.length === 1 ? [ofOneRow, entries[0]] : [entries[0], entries[1]];
}

interface Options {
  stride: number[];
  padding: Sides[];
  dilation: number[];
  outputPadding: number[] | null; // null where the text has none
  groups: number;
  bias: boolean;
  dtype: Problem["dtype"];
  rule: "same" | "valid" | null; // of the padding, in place of numbers
  transposed: boolean;
}

function read(words: readonly string[], axes: number): Options {
  const options: Options = {
    stride: perAxis([1], axes),
    padding: perAxis([[0, 0]], axes),
    dilation: perAxis([1], axes),
    outputPadding: null,
    groups: 1,
    bias: true,
    dtype: "float32",
    rule: null,
    transposed: false,
  };
  const seen = new Set<string>();
  for (const word of words) {
    const match = OPTION.exec(word);
    const name = match ? match[1] : DTYPES.includes(word) ? "dtype" : word;
    if (seen.has(name)) throw new Error(`${word} repeats an option`);
    seen.add(name);
    if (word === "nobias") options.bias = false;
    else if (word === "transposed") options.transposed = true;
    else if (word === "float32" || word === "float64") options.dtype = word;
    else if (name === "dtype") throw new Error(`the explorer computes in float32 or float64, not in ${word}`);
    else if (!match) throw new Error(`options are s, p, d, g or o with a number, nobias, float64 or transposed, not ${word}`);
    else if (name === "p") {
      if (match[2] === "same" || match[2] === "valid") options.rule = match[2];
      else options.padding = perAxis(sides(match[2]), axes);
    } else if (!SIZES.test(match[2])) throw new Error(`${word} needs numbers, such as ${name}2 or ${name}2x1`);
    else if (name === "g") options.groups = Number(match[2]);
    else options[({ s: "stride", d: "dilation", o: "outputPadding" } as const)[name as "s" | "d" | "o"]] =
      perAxis(match[2].split("x").map(Number), axes);
  }
  return options;
}

/** One entry for all axes, or one per axis. */
function perAxis<Entry>(entries: Entry[], axes: number): Entry[] {
  if (entries.length === axes) return entries;
  if (entries.length !== 1) throw new Error(`an option takes one number or ${axes}, one per axis, not ${entries.length}`);
  return new Array<Entry>(axes).fill(entries[0]);
}

const sides = (text: string): Sides[] =>
  text.split("x").map((side) => {
    const [before, after = before] = side.split(":").map(Number);
    return [before, after] as const;
  });

/** Writes the shorthand that `parse` reads back into the same problem. */
export function format(problem: Problem): string {
  const parts = [
    [problem.batch, problem.inChannels, ...problem.inputSize].join("x"),
    `${problem.outChannels}@${problem.kernelSize.join("x")}`,
    `s${once(problem.stride)}`,
    problem.same ? "psame" : `p${once(problem.padding.map(([b, a]) => (b === a ? `${b}` : `${b}:${a}`)))}`,
  ];
  if (once(problem.dilation) !== "1") parts.push(`d${once(problem.dilation)}`);
  if (problem.groups !== 1) parts.push(`g${problem.groups}`);
  if (!problem.bias) parts.push("nobias");
  if (problem.dtype !== "float32") parts.push(problem.dtype);
  if (problem.transposed) parts.push("transposed");
  if (once(problem.outputPadding) !== "0") parts.push(`o${once(problem.outputPadding)}`);
  return parts.join(" ");
}

/** Equal values are written once: 2 and 2 is 2, 2 and 1 is 2x1. */
function once(values: Pair | readonly string[]): string {
  return values[0] === values[1] ? `${values[0]}` : values.join("x");
}
