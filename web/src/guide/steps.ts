// The steps of the guide: each is one sentence and changes one thing of the step before it.

import { TUTORIAL_PROBLEM, WORKED_EXAMPLE } from "../model/constants";
import { outputAt } from "../model/focus";
import type { OutputFocus } from "../model/focus";
import { count, inputShape, weightShape } from "../model/problem";
import { parse } from "../model/shorthand";
import type { Source } from "../model/source";
import type { Array4 } from "../model/tensors";

/** pictures: input, filter and output; columns: the im2col matrix beside them; product: weight matrix × columns = output matrix. */
export type View = "pictures" | "columns" | "product";

export interface Step {
  readonly name: string; // in the list of steps
  readonly sentence: string;
  readonly problem: string; // in shorthand
  readonly view: View;
  readonly start: OutputFocus;
  readonly complete?: boolean; // all outputs are there from the start
}

const FIRST = outputAt(0, 0, 0);

export const STEPS: readonly Step[] = [
  {
    name: "Slide",
    sentence: "A filter slides over the input: at each position, the products of pixel and weight add up to one output.",
    problem: "1x5x5 1@3x3 nobias float64",
    view: "pictures",
    start: FIRST,
  },
  {
    name: "Unroll",
    sentence: "The pixels of each window, read row by row, become one column of a matrix: the im2col matrix.",
    problem: "1x5x5 1@3x3 nobias float64",
    view: "columns",
    start: FIRST,
  },
  {
    name: "Multiply",
    sentence: "The filter, written as one row, times the matrix of columns is the row of all outputs.",
    problem: "1x5x5 1@3x3 nobias float64",
    view: "product",
    start: FIRST,
  },
  {
    name: "Second filter",
    sentence: "A second filter is a second row of weights, and it gives a second row of outputs.",
    problem: "1x5x5 2@3x3 nobias float64",
    view: "product",
    start: outputAt(1, 0, 0),
  },
  {
    name: "Channels",
    sentence: "With three channels, a window reads all three: rows and columns become three times as long.",
    problem: "3x5x5 2@3x3 nobias float64",
    view: "product",
    start: FIRST,
  },
  {
    name: "Padding",
    sentence: "With padding 1, a border of zeros lets the window reach past the edge: 5 × 5 outputs, 25 columns.",
    problem: "3x5x5 2@3x3 p1 nobias float64",
    view: "product",
    start: FIRST,
  },
  {
    name: "Stride",
    sentence: "With stride 2, the window moves two pixels at a time: 9 of the 25 columns are left.",
    problem: "3x5x5 2@3x3 s2 p1 nobias float64",
    view: "product",
    start: FIRST,
  },
  {
    name: "Bias",
    sentence: "The bias of a filter is added to each of its outputs; this is the worked example of the CS231n notes, and its 2.",
    problem: WORKED_EXAMPLE.problem,
    view: "product",
    start: outputAt(0, 1, 2),
    complete: true,
  },
  {
    name: "Photograph",
    sentence: "Now a photograph: the same product, of one row of 75 weights and 784 columns, one for each 5 × 5 window.",
    problem: TUTORIAL_PROBLEM,
    view: "product",
    start: FIRST,
  },
];

const isPhotograph = ({ problem }: Step): boolean => problem === TUTORIAL_PROBLEM;

/** The steps that a page can show: the photograph is the page's own. */
export const stepsOf = (own: Source): readonly Step[] => STEPS.filter((step) => !isPhotograph(step) || own.photograph);

/** A step's numbers: the page's own photograph, or the worked example's first channels and filters. */
export function sourceOf(step: Step, own: Source): Source {
  if (isPhotograph(step)) return own;
  const problem = parse(step.problem);
  const { inChannels } = parse(WORKED_EXAMPLE.problem);
  const [filters, channels, ...kernel] = weightShape(problem);
  const taps = count(kernel);
  const weight = Array.from({ length: filters }, (_, filter) => {
    const start = filter * inChannels * taps;
    return WORKED_EXAMPLE.weight.slice(start, start + channels * taps);
  });
  return {
    name: "the worked example",
    resampled: false,
    photograph: false,
    input: array(inputShape(problem), WORKED_EXAMPLE.input),
    weight: array(weightShape(problem), weight.flat()),
    bias: array([filters], WORKED_EXAMPLE.bias),
  };
}

/** An array of the first of some values, as many as its shape has. */
const array = (shape: readonly number[], values: readonly number[]): Array4 => ({ shape, values: Float64Array.from(values.slice(0, count(shape))) });
