// A slider for every hyper-parameter, and the explanation of a setting that had to change.

import { html } from "../drawing/dom";
import { samePadding } from "../model/problem";
import type { Pair, Problem, Sides } from "../model/problem";
import type { Store } from "../model/state";
import { changeSetting, withSame } from "../model/suggestions";
import type { Setting } from "../model/suggestions";

interface Slider extends Setting {
  readonly label: string; // beside it, short
  readonly least: number;
  most(problem: Problem): number;
}

interface Row {
  readonly name: string;
  readonly about: string;
  readonly sliders: readonly Slider[];
  shown?(problem: Problem): boolean;
}

type Pairs = "inputSize" | "kernelSize" | "stride" | "dilation" | "outputPadding";

function perAxis(name: string, field: Pairs, least: number, most: number): Slider[] {
  return ([0, 1] as const).map((place) => ({
    name,
    label: place ? "W" : "H",
    least,
    most: (problem) => Math.max(most, problem[field][place]),
    get: (problem) => problem[field][place],
    set: (problem, value) => ({ ...problem, [field]: replaced(problem[field], place, value) }),
  }));
}

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

const replaced = (pair: Pair, place: 0 | 1, value: number): Pair => (place ? [pair[0], value] : [value, pair[1]]);

const ROWS: readonly Row[] = [
  { name: "kernel_size", about: "rows and columns of a filter", sliders: perAxis("kernel_size", "kernelSize", 1, 11) },
  { name: "stride", about: "distance between neighbouring windows", sliders: perAxis("stride", "stride", 1, 8) },
  {
    name: "padding",
    about: "zeros around the input, on each side",
    sliders: [side("↑", 0, 0), side("↓", 0, 1), side("←", 1, 0), side("→", 1, 1)],
  },
  {
    name: "output_padding",
    about: "rows and columns added after the output",
    sliders: perAxis("output_padding", "outputPadding", 0, 7),
    shown: (problem) => problem.transposed,
  },
  { name: "dilation", about: "distance between neighbouring taps of a filter", sliders: perAxis("dilation", "dilation", 1, 6) },
  { name: "groups", about: "1: each filter reads all channels; in_channels: depthwise", sliders: [groups()] },
  { name: "out_channels", about: "number of filters", sliders: [one("out_channels", "outChannels", 16)] },
  { name: "in_channels", about: "channels of the input", sliders: [one("in_channels", "inChannels", 16)] },
  { name: "input_size", about: "rows and columns of the input", sliders: perAxis("input_size", "inputSize", 1, 64) },
];

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

/** The controls, and a function that shows a state in them. */
export function controls(store: Store): { element: HTMLElement; show(problem: Problem, explanation: string): void } {
  const shows: ((problem: Problem) => void)[] = [];
  const rows = ROWS.map((row) => {
    const fieldset = html("fieldset", { title: row.about }, html("legend", {}, row.name));
    for (const slider of row.sliders) fieldset.append(labelled(row, slider, store, shows));
    if (row.name === "padding") fieldset.append(sameBox(store, shows));
    shows.push((problem) => (fieldset.hidden = !(row.shown?.(problem) ?? true)));
    return fieldset;
  });
  const explanation = html("p", { class: "explanation", role: "status" });
  const element = html("form", { class: "controls", "aria-label": "hyper-parameters" }, explanation, ...rows, boxes(store, shows));
  element.addEventListener("submit", (event) => event.preventDefault());
  return {
    element,
    show: (problem, text) => {
      explanation.textContent = text;
      for (const show of shows) show(problem);
    },
  };
}

function labelled(row: Row, slider: Slider, store: Store, shows: ((problem: Problem) => void)[]): HTMLElement {
  const name = slider.label ? `${row.name} ${slider.label}` : row.name;
  const input = html("input", { type: "range", min: slider.least, step: 1, "aria-label": name });
  const value = html("output", {});
  input.addEventListener("input", () => {
    const { problem, explanation } = changeSetting(store.get().problem, slider, Number(input.value));
    store.set({ problem, explanation });
    if (slider.get(problem) !== Number(input.value)) input.value = String(slider.get(problem));
  });
  shows.push((problem) => {
    input.max = String(slider.most(problem));
    input.value = String(slider.get(problem));
    const shown = row.name === "groups" ? problem.groups : slider.get(problem);
    value.textContent = String(shown);
    const depthwise = row.name === "groups" && shown === problem.inChannels && shown > 1;
    input.setAttribute("aria-valuetext", depthwise ? `${shown}, depthwise` : String(shown));
    input.style.setProperty("--filled", `${(100 * (Number(input.value) - slider.least)) / Math.max(1, Number(input.max) - slider.least)}%`);
  });
  return html("label", {}, html("span", { class: "axis" }, slider.label), input, value);
}

function sameBox(store: Store, shows: ((problem: Problem) => void)[]): HTMLElement {
  const box = html("input", { type: "checkbox" });
  box.addEventListener("change", () => {
    const { problem } = store.get();
    if (!box.checked) return store.set({ problem: { ...problem, same: false }, explanation: "" });
    const plain = { ...problem, transposed: false, stride: [1, 1] as Pair, outputPadding: [0, 0] as Pair };
    const strided = problem.stride[0] !== 1 || problem.stride[1] !== 1 || problem.transposed;
    store.set({
      problem: { ...plain, same: true, padding: samePadding(plain) },
      explanation: strided ? "padding='same' needs a plain convolution with stride 1, so the layer is one now." : "",
    });
  });
  shows.push((problem) => (box.checked = problem.same));
  return html("label", { class: "box" }, box, "'same'");
}

function boxes(store: Store, shows: ((problem: Problem) => void)[]): HTMLElement {
  const bias = html("input", { type: "checkbox" });
  bias.addEventListener("change", () => store.set({ problem: { ...store.get().problem, bias: bias.checked }, explanation: "" }));
  const transposed = html("input", { type: "checkbox" });
  transposed.addEventListener("change", () => {
    const problem = { ...store.get().problem, same: false, outputPadding: [0, 0] as Pair, transposed: transposed.checked };
    const settled = changeSetting(problem, KEPT, 0);
    store.set({ ...settled });
  });
  shows.push((problem) => {
    bias.checked = problem.bias;
    transposed.checked = problem.transposed;
  });
  return html("div", { class: "boxes" }, html("label", { class: "box" }, bias, "bias"), html("label", { class: "box" }, transposed, "transposed"));
}

/** Takes padding off on every side: what keeps a problem valid when it becomes transposed. */
const KEPT: Setting = {
  name: "padding",
  get: () => 0,
  set: (problem, off) => {
    const less = ([before, after]: Sides): Sides => [Math.max(0, before - Math.abs(off)), Math.max(0, after - Math.abs(off))];
    return withSame({ ...problem, padding: [less(problem.padding[0]), less(problem.padding[1])] });
  },
};
