// The planes of the mode: for each its numbers, the marks for a focus, and the focus of a cell. Spectra have
// frequency 0 in the centre.

import type { Rgb } from "../../drawing/colour";
import type { Kind, Mark } from "../../drawing/grid_spec";
import { channelColour } from "../../drawing/photograph";
import { outputAt } from "../../model/focus";
import type { Focus, OutputFocus } from "../../model/focus";
import { channelsPerGroup, readersOf, tapCount } from "../../model/problem";
import type { Pair } from "../../model/problem";
import type { Complex } from "../../numerics/algorithms/fourier";
import type { Scene } from "../../numerics/scene";
import type { Hovered } from "../../panes/hovered";
import { inputMarks } from "../../panes/input";
import type { Selection, Spectra } from "./spectra";

/** What is drawn now. */
export interface Drawn {
  selection: Selection;
  output: OutputFocus; // the last one in focus
}

export interface Plane {
  readonly name: string;
  readonly title: string;
  readonly symbol?: string; // of an element, where the cells are no frequencies
  readonly unit: string; // beside the title
  readonly about: string; // in words, for screen readers
  readonly follows: "channel" | "filter" | "output" | "frequency"; // what its numbers are of
  readonly frequencies: boolean; // its cells are frequencies
  /** All its numbers in row-major order; NaN where a cell has none. */
  numbers(): Float64Array;
  scale?(): number; // the end of the colour scale; their largest magnitude by default
  colour?(value: number): Rgb; // of a photograph's pixel
  kind?(row: number, column: number): Kind;
  marks(focus: Focus): Mark[];
  focusOf(row: number, column: number): Focus | null;
}

export function planesOf(scene: Scene, spectra: Spectra, hovered: Hovered, drawn: Drawn): Plane[] {
  const { problem } = scene;
  const summed = channelsPerGroup(problem) > 1;
  const frequency = (): Pair => hovered.get() ?? spectra.strongest(drawn.selection.plane);
  const chosen = (): Mark[] => {
    const [row, column] = centred(frequency(), spectra.lengths);
    return [{ role: hovered.get() ? "tap" : "read", plane: 0, row, column }];
  };
  const ofFrequencies = { frequencies: true, marks: chosen, focusOf: () => null };

  const spectrum = (name: string, size: string, phase: string, follows: Plane["follows"], of: () => Complex): Plane[] => [
    {
      ...ofFrequencies,
      name: `${name}-size`,
      title: size,
      unit: "log",
      about: `The magnitude of each wave, ${size}, as log(1 + magnitude)`,
      follows,
      numbers: () => shifted(of().re.map((real, place) => Math.log1p(Math.hypot(real, of().im[place]))), spectra.lengths),
    },
    {
      ...ofFrequencies,
      name: `${name}-phase`,
      title: phase,
      unit: "−π … π",
      about: `The phase of each wave, ${phase}`,
      follows,
      scale: () => Math.PI,
      numbers: () => shifted(of().re.map((real, place) => Math.atan2(of().im[place], real)), spectra.lengths),
    },
  ];
  return [
    picturePlane(scene, spectra, drawn),
    ...spectrum("picture", "|X|", "phase of X", "channel", () => spectra.picture(drawn.selection.plane)),
    filterPlane(scene, spectra, drawn),
    ...spectrum("filter", "× |W|", "− phase of W", "channel", () => spectra.filter(drawn.selection)),
    resultPlane(scene, spectra, drawn),
    ...spectrum("result", summed ? "Σ = |Y|" : "= |Y|", summed ? "phase of Y" : "= phase of Y", "filter", () => spectra.sum(drawn.selection).product),
    {
      ...ofFrequencies,
      name: "shares",
      title: "Waves at y",
      unit: "",
      about: "The term of each wave in the output; their sum is the output without its bias",
      follows: "output",
      numbers: () => shifted(spectra.waveTerms(drawn.output), spectra.lengths),
    },
    {
      name: "wave",
      title: "Wave of x",
      symbol: "x",
      unit: "",
      about: "The marked frequency of the input alone; the sum over all frequencies is the input",
      follows: "frequency",
      frequencies: false,
      numbers: () => spectra.wave(drawn.selection.plane, frequency()),
      marks: () => [],
      focusOf: () => null,
    },
  ];
}

function picturePlane(scene: Scene, { lengths }: Spectra, drawn: Drawn): Plane {
  const [height, width] = scene.axes;
  const [top, left] = [height.padding[0], width.padding[0]];
  const inPicture = (row: number, column: number): boolean =>
    row < height.paddedSize && column < width.paddedSize && !Number.isNaN(scene.pixel(0, row - top, column - left));
  return {
    name: "picture",
    title: "Input x",
    symbol: "x",
    unit: "",
    about: "The padded input, followed by zeros up to a power of two",
    follows: "channel",
    frequencies: false,
    scale: () => scene.inputScale,
    numbers: () => filled(lengths, (row, column) => (inPicture(row, column) ? scene.pixel(drawn.selection.plane, row - top, column - left) : NaN)),
    ...(scene.photograph ? { colour: (value: number) => channelColour(value, drawn.selection.plane, scene.photograph === "coloured") } : {}),
    kind: (row, column) => (inPicture(row, column) ? "value" : "padding"),
    marks: (focus) =>
      inputMarks(scene, focus)
        .filter(({ plane }) => plane === drawn.selection.plane)
        .map((mark) => ({ ...mark, plane: 0, row: mark.row + top, column: mark.column + left })),
    focusOf: (row, column) => (inPicture(row, column) ? { kind: "input", channel: drawn.selection.plane, row: row - top, column: column - left } : null),
  };
}

function filterPlane(scene: Scene, { lengths }: Spectra, drawn: Drawn): Plane {
  const [height, width] = scene.axes;
  /** Of the weights, k; null in the holes of dilation and outside. */
  const weightIn = (row: number, column: number): number | null => {
    const [down, across] = [row / height.dilation, column / width.dilation];
    const inside = Number.isInteger(down) && Number.isInteger(across) && down < height.kernelSize && across < width.kernelSize;
    return inside ? (drawn.selection.channel * height.kernelSize + down) * width.kernelSize + across : null;
  };
  return {
    name: "filter",
    title: "Filter w",
    symbol: "w",
    unit: "",
    about: "The filter, followed by zeros up to the same size",
    follows: "channel",
    frequencies: false,
    scale: () => scene.weightScale,
    numbers: () =>
      filled(lengths, (row, column) => {
        const k = weightIn(row, column);
        return k === null ? NaN : scene.weightAt(drawn.selection.filter, k);
      }),
    kind: (row, column) => (weightIn(row, column) === null ? "padding" : "value"),
    marks: (focus) => {
      if (focus.kind === "input") return [];
      const whole: Mark = { role: "window", plane: 0, row: 0, column: 0, rows: height.extent, columns: width.extent };
      const k = focus.kind === "weight" ? focus.k : focus.tap;
      if (k === null) return [whole];
      const tap = k % tapCount(scene.problem);
      const place = { plane: 0, row: Math.floor(tap / width.kernelSize) * height.dilation, column: (tap % width.kernelSize) * width.dilation };
      return focus.kind === "weight" ? [{ role: "window", ...place }] : [whole, { role: "tap", ...place }];
    },
    focusOf: (row, column) => {
      const k = weightIn(row, column);
      return k === null ? null : { kind: "weight", filter: drawn.selection.filter, k };
    },
  };
}

function resultPlane(scene: Scene, spectra: Spectra, drawn: Drawn): Plane {
  const [height, width] = scene.axes;
  const outputIn = (row: number, column: number): OutputFocus | null => {
    const [y, x] = [row / height.stride, column / width.stride];
    const kept = Number.isInteger(y) && Number.isInteger(x) && y < height.outputSize && x < width.outputSize;
    return kept ? outputAt(drawn.selection.filter, y, x) : null;
  };
  const at = (row: number, column: number): Omit<Mark, "role"> => ({ plane: 0, row: row * height.stride, column: column * width.stride });
  const frame: Mark = { role: "read", ...at(0, 0), rows: at(height.outputSize - 1, 0).row + 1, columns: at(0, width.outputSize - 1).column + 1 };
  return {
    name: "result",
    title: "Result y",
    symbol: "y",
    unit: "",
    about: "The circular correlation; values outside the frame, or skipped by the stride, are discarded",
    follows: "filter",
    frequencies: false,
    numbers: () => spectra.sum(drawn.selection).full ?? new Float64Array(spectra.points).fill(NaN),
    kind: (row, column) => (outputIn(row, column) ? "value" : "unread"),
    marks: (focus) => {
      if (focus.kind === "output") return [frame, { role: "window", ...at(focus.row, focus.column) }];
      if (focus.kind === "weight") return [frame];
      const [down, across] = [readersOf(height, focus.row), readersOf(width, focus.column)];
      return [frame, ...down.flatMap((row) => across.map((column): Mark => ({ role: "use", ...at(row.output, column.output) })))];
    },
    focusOf: outputIn,
  };
}

/** The cell of a frequency, or the frequency of a cell: frequency 0 is in the centre. */
export const centred = ([row, column]: Pair, [rows, columns]: Pair): Pair => [(row + Math.floor(rows / 2)) % rows, (column + Math.floor(columns / 2)) % columns];

const shifted = (values: Float64Array, lengths: Pair): Float64Array =>
  filled(lengths, (row, column) => {
    const [k, l] = centred([row, column], lengths);
    return values[k * lengths[1] + l];
  });

function filled([rows, columns]: Pair, value: (row: number, column: number) => number): Float64Array {
  const values = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) values[row * columns + column] = value(row, column);
  }
  return values;
}
