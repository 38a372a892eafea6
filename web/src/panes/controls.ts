// A slider for every hyper-parameter, for both axes at once until H ≠ W is opened, and the explanation of a setting that had
// to change.

import { html } from "../drawing/dom";
import { samePadding } from "../model/problem";
import type { Pair, Problem, Sides } from "../model/problem";
import type { Store } from "../model/state";
import { changeSetting, withSame } from "../model/suggestions";
import type { Setting } from "../model/suggestions";
import { axesDiffer, ROWS, SQUARE } from "./sliders";
import type { Row, Slider } from "./sliders";

/** The controls, and a function that shows a state in them. */
export function controls(store: Store): { element: HTMLElement; show(problem: Problem, explanation: string): void } {
  const shows: ((problem: Problem) => void)[] = [];
  const axes = axesBox(store, shows); // before the rows, which it shows and hides
  const rows = ROWS.map((row) => {
    const fieldset = html("fieldset", { title: row.about }, html("legend", {}, row.name));
    const both = labelled(row, row.slider, store, shows);
    both.classList.add("both");
    const each = (row.perAxis ?? []).map((slider) => labelled(row, slider, store, shows));
    fieldset.append(both, ...each);
    if (row.name === "padding") fieldset.append(sameBox(store, shows));
    shows.push((problem) => {
      fieldset.hidden = !(row.shown?.(problem) ?? true);
      both.hidden = axes.box.checked && each.length > 0;
      for (const label of each) label.hidden = !axes.box.checked;
    });
    return fieldset;
  });
  axes.box.addEventListener("change", () => {
    for (const show of shows) show(store.get().problem);
  });
  const explanation = html("p", { class: "explanation", role: "status" });
  const element = html("form", { class: "controls", "aria-label": "hyper-parameters" }, explanation, axes.element, ...rows, boxes(store, shows));
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

/** Opens a slider for each axis; closed again, the width follows the height. */
function axesBox(store: Store, shows: ((problem: Problem) => void)[]): { element: HTMLElement; box: HTMLInputElement } {
  const box = html("input", { type: "checkbox" });
  let opened = false; // by the reader, not by a problem
  box.addEventListener("change", () => {
    const { problem } = store.get();
    opened = box.checked;
    if (!opened && axesDiffer(problem)) store.set(changeSetting(problem, SQUARE, problem.inputSize[0]));
  });
  shows.push((problem) => (box.checked = opened || axesDiffer(problem)));
  const about = "a slider for height and for width; without it both are the same";
  return { element: html("label", { class: "box axes", title: about }, box, "H ≠ W"), box };
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
