// Numbers that the reader has typed in place of a problem's own. An edit names its number as the layer has it, so it
// keeps its place when other arguments change, and counts only while that place exists.

import { channelsPerGroup, tapCount, unravel } from "./problem";
import type { Problem } from "./problem";
import type { Edit, Place, Source } from "./source";

export const MOST_EDITS_IN_ADDRESS = 50;

/** A source with one number replaced. */
export function withEdit(source: Source, edit: Edit): Source {
  return { ...source, edits: [...(source.edits ?? []).filter((each) => !samePlace(each, edit)), edit] };
}

/** A source whose weights are those of a kernel with a name; an empty name gives back the source's own. */
export function withKernel(source: Source, kernel: string): Source {
  return { ...source, kernel, edits: (source.edits ?? []).filter(({ array }) => array === "x") };
}

/** A source whose pixels are another picture’s. */
export function withoutPixelEdits(source: Source): Source {
  return { ...source, edits: (source.edits ?? []).filter(({ array }) => array !== "x") };
}

/** The edits whose place exists in a problem. */
export function editsOf(problem: Problem, source: Pick<Source, "edits">): readonly Edit[] {
  return (source.edits ?? []).filter((edit) => exists(problem, edit));
}

/** Whether a problem's numbers are not the source's own arrays. */
export const isChanged = (problem: Problem, source: Source): boolean => Boolean(source.kernel) || editsOf(problem, source).length > 0;

export function samePlace(one: Place, other: Place): boolean {
  return one.array === other.array && one.index.join() === other.index.join();
}

export function exists(problem: Problem, { array, index }: Place): boolean {
  const sizes = {
    w: [problem.outChannels, channelsPerGroup(problem), ...problem.kernelSize],
    x: [problem.inChannels, ...problem.inputSize],
    b: problem.bias ? [problem.outChannels] : [],
  }[array];
  return sizes.length > 0 && index.length === sizes.length && index.every((place, axis) => place >= 0 && place < sizes[axis]);
}

/** A number's position in memory, in the layer's own array as PyTorch has it. */
export function offsetOf(problem: Problem, { array, index }: Place): number {
  const [first, second, row, column] = index;
  if (array === "b") return first;
  if (array === "x") return (first * problem.inputSize[0] + second) * problem.inputSize[1] + row;
  const perGroup = channelsPerGroup(problem);
  const [tall, wide] = problem.kernelSize;
  if (!problem.transposed) return ((first * perGroup + second) * tall + row) * wide + column;
  const filters = problem.outChannels / problem.groups; // a transposed layer's weight is [in_channels, out_channels / groups, …]
  const channel = Math.floor(first / filters) * perGroup + second;
  return ((channel * filters + (first % filters)) * tall + row) * wide + column;
}

/** The number that a weight of the plain convolution is: a transposed layer's filters are flipped there. */
export function weightPlace(problem: Problem, filter: number, k: number): Place {
  const taps = tapCount(problem);
  const own = problem.transposed ? k - (k % taps) + (taps - 1 - (k % taps)) : k;
  return { array: "w", index: [filter, ...unravel(problem, own)] };
}

/** The number that a pixel of the plain convolution is; null for a zero that a transposed layer inserts, and for padding. */
export function pixelPlace(problem: Problem, channel: number, row: number, column: number): Place | null {
  const apart = problem.transposed ? problem.stride : [1, 1];
  const place: Place = { array: "x", index: [channel, row / apart[0], column / apart[1]] };
  return place.index.every(Number.isInteger) && exists(problem, place) ? place : null;
}

/** Edits for the address: "w,0,3,-1;x,0,2,1,5;b,0,2", a weight by its filter and its place k in the filter. */
export function written(problem: Problem, edits: readonly Edit[]): string {
  return edits.map(({ array, index, value }) => [array, ...(array === "w" ? short(problem, index) : index), value].join()).join(";");
}

/** Reads what `written` writes; `wrong` are the edits that the problem has no place for. */
export function readEdits(problem: Problem, text: string): { edits: Edit[]; wrong: string[] } {
  const edits: Edit[] = [];
  const wrong: string[] = [];
  for (const word of text.split(";").filter((each) => each)) {
    const [array, ...numbers] = word.split(",");
    const value = Number(numbers.pop() || NaN);
    const index = numbers.map((number) => (/^\d{1,9}$/.test(number) ? Number(number) : -1));
    const k = channelsPerGroup(problem) * tapCount(problem);
    const whole = array === "w" && index.length === 2 && index[1] < k ? [index[0], ...unravel(problem, index[1])] : index;
    const edit: Edit = { array: array as Edit["array"], index: whole, value };
    if (["w", "x", "b"].includes(array) && Number.isFinite(value) && exists(problem, edit)) edits.push(edit);
    else wrong.push(word);
  }
  return { edits, wrong };
}

function short(problem: Problem, [filter, channel, row, column]: readonly number[]): number[] {
  const [tall, wide] = problem.kernelSize;
  return [filter, (channel * tall + row) * wide + column];
}

/** The number that a reader typed; throws an Error that says what is wrong with the text. */
export function readNumber(text: string, dtype: Problem["dtype"]): number {
  const trimmed = text.trim().replace("−", "-");
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed)) {
    const hint = /^[+-]?\d*,\d+$/.test(trimmed) ? `write ${trimmed.replace(",", ".")}` : "write a number such as −1 or 0.25";
    throw new Error(`“${text.trim()}” is not a number: ${hint}`);
  }
  const value = Number(trimmed);
  if (!Number.isFinite(dtype === "float32" ? Math.fround(value) : value)) throw new Error(`${text.trim()} is too large for ${dtype}`);
  return value;
}
