// Examples, each opened with one click.

import { TUTORIAL_PROBLEM, WORKED_EXAMPLE } from "./constants";
import { outputAt } from "./focus";
import type { Focus } from "./focus";
import { readLayers } from "./layers";
import type { Layer } from "./layers";
import { channelsPerGroup } from "./problem";
import { parse } from "./shorthand";
import type { Source } from "./source";
import type { Array4 } from "./tensors";

export interface Preset {
  readonly name: string; // in the address
  readonly label: string;
  readonly about: string;
  readonly problem: string;
  readonly focus?: Focus; // the first output unless given
  readonly numbers?: () => Partial<Source>;
  readonly layers?: () => readonly Layer[]; // a strip, of which `problem` is the first layer
}

const TWO_LAYERS = "1x1x6x6 2@3x3 s1 p0 nobias float64";

export const PRESETS: readonly Preset[] = [
  { name: "tutorial", label: "The tutorial", about: "One 5 × 5 filter on a 32 × 32 image: a convolution is unfold and a matrix product.", problem: TUTORIAL_PROBLEM },
  { name: "worked-example", label: "By hand", about: "The example of the CS231n notes in whole numbers: two 3 × 3 filters, stride 2, padding 1.", problem: WORKED_EXAMPLE.problem, focus: outputAt(0, 1, 2), numbers: workedExample },
  { name: "edges", label: "Edge detectors", about: "Sobel’s filters, a Laplacian and a blur: filters designed by hand, before filters were learnt.", problem: "1x3x32x32 4@3x3 s1 p1 nobias", numbers: edgeDetectors },
  { name: "two-layers", label: "Two layers", about: "Layer 1 draws the edges of a bright corner, ReLU and max pooling keep the strongest, and layer 4 tells which corner it is.", problem: TWO_LAYERS, focus: outputAt(0, 1, 0), numbers: corner, layers: twoLayers },
  { name: "strided", label: "Strided", about: "Stride 2: half the outputs along each axis, and a last row and column that no window reads.", problem: "1x1x10x10 1@3x3 s2 p0" },
  { name: "dilated", label: "Dilated", about: "Taps three apart: a large window from few weights.", problem: "1x1x12x12 1@3x3 s1 p0 d3" },
  { name: "grouped", label: "Grouped", about: "Two groups of channels, convolved separately: half the weights, half the work.", problem: "1x4x8x8 4@3x3 s1 p1 g2" },
  { name: "depthwise", label: "Depthwise", about: "One filter for each channel: as many matrix products as channels, each with a single row of weights.", problem: "1x4x8x8 4@3x3 s1 p1 g4" },
  { name: "pointwise", label: "1 × 1", about: "A kernel of one tap: the im2col matrix is the input itself.", problem: "1x4x8x8 3@1x1 s1 p0" },
  { name: "transposed", label: "Transposed", about: "Zeros inserted between the pixels, filters flipped: the output is larger than the input.", problem: "1x1x5x5 1@3x3 s2 p1 transposed o1" },
  { name: "same", label: "‘same’, even kernel", about: "An even kernel has no centre, so ‘same’ pads one side more than the other.", problem: "1x1x8x8 1@4x4 s1 psame" },
  { name: "resnet", label: "ResNet, 56 × 56", about: "64 filters on 64 channels: a layer of a real network.", problem: "1x64x56x56 64@3x3 s1 p1 nobias" },
];

/** The numbers of a preset; its input is the explorer's own image where that fits. */
export function presetSource(preset: Preset, own: Source): Source {
  const overrides = preset.numbers?.() ?? {};
  if (preset.name === "tutorial" && own.resampled) return own;
  const picture = own.resampled && !overrides.input && parse(preset.problem).inChannels === 3;
  return { name: preset.label, resampled: picture, photograph: picture && own.photograph, input: picture ? own.input : undefined, ...overrides };
}

function workedExample(): Partial<Source> {
  const { inChannels, inputSize, kernelSize, outChannels } = parse(WORKED_EXAMPLE.problem);
  return {
    input: array([1, inChannels, ...inputSize], WORKED_EXAMPLE.input),
    weight: array([outChannels, inChannels, ...kernelSize], WORKED_EXAMPLE.weight),
    bias: array([outChannels], WORKED_EXAMPLE.bias),
  };
}

/** A bright corner, and the filters of upright and of level edges. */
function corner(): Partial<Source> {
  const input = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 0, 0, 2, 2, 2, 2, 0, 0, 2, 2, 1, 1, 0, 0, 2, 2, 1, 1];
  const weight = [-1, 0, 1, -1, 0, 1, -1, 0, 1, -1, -1, -1, 0, 0, 0, 1, 1, 1];
  return { input: array([1, 1, 6, 6], input), weight: array([2, 1, 3, 3], weight) };
}

function twoLayers(): readonly Layer[] {
  const layers = readLayers(`${TWO_LAYERS} relu maxpool 2 2@2x2 nobias float64`);
  const weight = array([2, 2, 2, 2], [1, 0, 1, 0, 1, 1, 0, 0, -1, 1, -1, 1, -1, -1, 1, 1]);
  return layers.map((layer, index) => (index === layers.length - 1 ? { ...layer, weight } : layer));
}

function edgeDetectors(): Partial<Source> {
  const kernels = [
    [-1, 0, 1, -2, 0, 2, -1, 0, 1],
    [-1, -2, -1, 0, 0, 0, 1, 2, 1],
    [0, 1, 0, 1, -4, 1, 0, 1, 0],
    [1, 2, 1, 2, 4, 2, 1, 2, 1].map((weight) => weight / 16),
  ];
  const problem = parse("1x3x32x32 4@3x3");
  const channels = channelsPerGroup(problem);
  const values = kernels.flatMap((kernel) => Array.from({ length: channels }, () => kernel.map((weight) => weight / channels)).flat());
  return { weight: array([4, channels, 3, 3], Float32Array.from(values)) };
}

function array(shape: readonly number[], values: ArrayLike<number>): Array4 {
  return { shape, values: values instanceof Float32Array ? values : Float64Array.from(values) };
}
