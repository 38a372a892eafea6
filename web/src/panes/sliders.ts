// What the sliders set: each argument for both axes at once, or for each axis and side.

import type { Pair, Problem, Sides } from "../model/problem";
import type { Setting } from "../model/suggestions";

export interface Slider extends Setting {
  readonly label: string; // beside it, short
  readonly least: number;
  most(problem: Problem): number;
}

export interface Row {
  readonly name: string;
  readonly about: string;
  readonly slider: Slider; // for both axes, where the argument has two
  readonly perAxis?: readonly Slider[];
  shown?(problem: Problem): boolean;
}

type Pairs = "inputSize" | "kernelSize" | "stride" | "dilation" | "outputPadding";

const PAIRS: readonly Pairs[] = ["inputSize", "kernelSize", "stride", "dilation", "outputPadding"];

export const ROWS: readonly Row[] = [
  { name: "kernel_size", about: "rows and columns of a filter", ...pair("kernel_size", "kernelSize", 1, 11) },
  { name: "stride", about: "distance between neighbouring windows", ...pair("stride", "stride", 1, 8) },
  {
    name: "padding",
    about: "zeros around the input, on each side",
    slider: {
      name: "padding",
      label: "",
      least: 0,
      most: (problem) => Math.max(8, ...problem.padding.flat()),
      get: (problem) => problem.padding[0][0],
      set: (problem, value) => ({ ...problem, same: false, padding: [[value, value], [value, value]] }),
    },
    perAxis: [side("↑", 0, 0), side("↓", 0, 1), side("←", 1, 0), side("→", 1, 1)],
  },
  {
    name: "output_padding",
    about: "rows and columns added after the output",
    ...pair("output_padding", "outputPadding", 0, 7),
    shown: (problem) => problem.transposed,
  },
  { name: "dilation", about: "distance between neighbouring taps of a filter", ...pair("dilation", "dilation", 1, 6) },
  { name: "groups", about: "1: each filter reads all channels; in_channels: depthwise", slider: groups() },
  { name: "out_channels", about: "number of filters", slider: one("out_channels", "outChannels", 16) },
  { name: "in_channels", about: "channels of the input", slider: one("in_channels", "inChannels", 16) },
  { name: "input_size", about: "rows and columns of the input", ...pair("input_size", "inputSize", 1, 64) },
];

/** Whether height and width, or the sides of a padding given as numbers, differ: one slider for both could not show it. */
export function axesDiffer(problem: Problem): boolean {
  const sides = problem.padding.flat();
  return PAIRS.some((name) => problem[name][0] !== problem[name][1]) || (!problem.same && sides.some((size) => size !== sides[0]));
}

/** Sets every argument of the width, and every side of the padding, to that of the height. */
export const SQUARE: Setting = {
  name: "input_size",
  get: (problem) => problem.inputSize[0],
  set: (problem, size) => {
    const [[before]] = problem.padding;
    const square = Object.fromEntries(PAIRS.map((name) => [name, [problem[name][0], problem[name][0]]]));
    const padding = problem.same ? problem.padding : ([[before, before], [before, before]] as const);
    return { ...problem, ...square, inputSize: [size, size], padding };
  },
};

function pair(name: string, field: Pairs, least: number, most: number): Pick<Row, "slider" | "perAxis"> {
  return {
    slider: {
      name,
      label: "",
      least,
      most: (problem) => Math.max(most, problem[field][0]),
      get: (problem) => problem[field][0],
      set: (problem, value) => ({ ...problem, [field]: [value, value] }),
    },
    perAxis: ([0, 1] as const).map((place) => ({
      name,
      label: place ? "W" : "H",
      least,
      most: (problem) => Math.max(most, problem[field][place]),
      get: (problem) => problem[field][place],
      set: (problem, value) => ({ ...problem, [field]: replaced(problem[field], place, value) }),
    })),
  };
}

const replaced = (pair: Pair, place: 0 | 1, value: number): Pair => (place ? [pair[0], value] : [value, pair[1]]);

function side(label: string, place: 0 | 1, end: 0 | 1): Slider {
  return {
    name: "padding",
    label,
    least: 0,
    most: (problem) => Math.max(8, problem.padding[place][end]),
    get: (problem) => problem.padding[place][end],
    set: (problem, value) => {
      const sides = problem.padding[place].map((size, at) => (at === end ? value : size)) as unknown as Sides;
      return { ...problem, same: false, padding: place ? [problem.padding[0], sides] : [sides, problem.padding[1]] };
    },
  };
}

function one(name: string, field: "inChannels" | "outChannels", most: number): Slider {
  return {
    name,
    label: "",
    least: 1,
    most: (problem) => Math.max(most, problem[field]),
    get: (problem) => problem[field],
    set: (problem, value) => ({ ...problem, [field]: value }),
  };
}

/** The slider steps through the divisors of in_channels. */
function groups(): Slider {
  return {
    name: "groups",
    label: "",
    least: 0,
    most: (problem) => divisors(problem.inChannels).length - 1,
    get: (problem) => divisors(problem.inChannels).indexOf(problem.groups),
    set: (problem, place) => ({ ...problem, groups: divisors(problem.inChannels)[place] ?? problem.groups }),
  };
}

function divisors(number: number): number[] {
  return Array.from({ length: number }, (_, index) => index + 1).filter((divisor) => number % divisor === 0);
}
