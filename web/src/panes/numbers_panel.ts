// The numbers of the layer beside its arguments: kernels by name, the numbers in focus as fields, and the way back.

import { html } from "../drawing/dom";
import { editsOf, isChanged, MOST_EDITS_IN_ADDRESS, pixelPlace, readNumber, samePlace, weightPlace, withEdit, withKernel } from "../model/edits";
import { NAMED_KERNELS, namedKernel } from "../model/kernels";
import { literal } from "../model/literal";
import type { Problem } from "../model/problem";
import type { Place, Source } from "../model/source";
import type { OutputFocus } from "../model/focus";
import type { State, Store } from "../model/state";
import type { Scene } from "../numerics/scene";
import { plural } from "./pane";

interface InFocus extends Place {
  readonly value: number;
}

export interface NumbersPanel {
  readonly element: HTMLElement;
  show(state: State, scene: Scene): void;
}

/** The numbers of the layer that a product is made of; the pixel's is null for padding and inserted zeros. */
export function placesOfProduct(scene: Scene, { filter, row, column }: OutputFocus, tap: number): { x: Place | null; w: Place } {
  const pixel = scene.terms(filter, row, column)[tap];
  return { x: pixelPlace(scene.original, pixel.channel, pixel.row, pixel.column), w: weightPlace(scene.original, filter, tap) };
}

export function numbersPanel(store: Store): NumbersPanel {
  const kernels = html("select", { "aria-label": "kernel" }, html("option", { value: "" }, "its own weights"));
  const options = NAMED_KERNELS.map(({ name, label }) => html("option", { value: name }, label));
  kernels.append(...options);
  kernels.addEventListener("change", () => store.set({ source: withKernel(store.get().source, kernels.value), explanation: "" }));
  const note = html("p", { class: "note", role: "status" });
  const fields = html("div", { class: "number-fields" });
  const reset = html("button", { type: "button", class: "reset" }, "reset numbers");
  reset.addEventListener("click", () => store.set({ source: { ...store.get().source, kernel: "", edits: [] } }));
  const element = html("section", { class: "side-part numbers", "aria-label": "numbers" }, html("label", {}, "kernel ", kernels), note, fields, reset);
  let drawn: { places: string; scene: Scene } | null = null;

  return {
    element,
    show: (state, scene) => {
      const { problem, source } = state;
      kernels.value = namedKernel(source.kernel ?? "")?.name ?? "";
      NAMED_KERNELS.forEach((kernel, place) => {
        const reason = kernel.refusal(problem.kernelSize);
        options[place].disabled = reason !== null;
        options[place].textContent = reason === null ? kernel.label : `${kernel.label}: ${reason}`;
      });
      const said = notes(problem, source).join(" ");
      if (note.textContent !== said) note.textContent = said;
      reset.hidden = !isChanged(problem, source) && !source.kernel;
      const numbers = inFocus(scene, state);
      const places = numbers.map(nameOf).join();
      if (drawn?.places === places && drawn.scene === scene) return;
      if (drawn?.places !== places) fields.replaceChildren(...numbers.map((number) => field(store, number)));
      else numbers.forEach((number, place) => fill(fields.querySelectorAll("input")[place], number, problem));
      drawn = { places, scene };
      if (!fields.childElementCount) fields.append(html("p", { class: "note" }, "Double-click a pixel or a weight to change it."));
    },
  };
}

/** What the reader should know about numbers that are not the example's own. */
function notes(problem: Problem, source: Source): string[] {
  const kernel = namedKernel(source.kernel ?? "");
  const texts: string[] = [];
  if (kernel) {
    const reason = kernel.refusal(problem.kernelSize);
    if (reason === null) texts.push(`Every filter applies it to the mean of its channels${problem.bias ? "; the bias is 0" : ""}.`);
    else texts.push(`${kernel.label} ${reason}. The layer’s own weights are drawn.`);
  }
  const { length } = editsOf(problem, source);
  if (length) texts.push(`${plural(length, "number")} edited.`);
  if (length > MOST_EDITS_IN_ADDRESS) texts.push(`The address keeps up to ${MOST_EDITS_IN_ADDRESS} edits, so a link does not restore these.`);
  return texts;
}

/** The numbers of the layer that the focus is about. */
function inFocus(scene: Scene, { focus }: State): InFocus[] {
  const { original, problem } = scene;
  const all: InFocus[] = [];
  const add = (place: Place | null, value: number): void => {
    if (place) all.push({ ...place, value });
  };
  if (focus.kind === "input") add(pixelPlace(original, focus.channel, focus.row, focus.column), scene.pixel(focus.channel, focus.row, focus.column));
  if (focus.kind === "weight") add(weightPlace(original, focus.filter, focus.k), scene.weightAt(focus.filter, focus.k));
  if (focus.kind === "output" && focus.tap !== null) {
    const { x, w } = scene.terms(focus.filter, focus.row, focus.column)[focus.tap];
    const places = placesOfProduct(scene, focus, focus.tap);
    add(places.x, x);
    add(places.w, w);
  }
  if (focus.kind === "output" && problem.bias) add({ array: "b", index: [focus.filter] }, scene.operands.bias?.[focus.filter] ?? 0);
  return all;
}

const nameOf = ({ array, index }: Place): string => `${array === "b" ? "bias" : array}[${index.join(", ")}]`;

function field(store: Store, number: InFocus): HTMLElement {
  const input = html("input", { type: "text", inputmode: "decimal", spellcheck: "false", autocomplete: "off", enterkeyhint: "done" });
  const wrong = html("span", { class: "wrong", role: "alert" });
  const restore = (): void => {
    const { problem, source } = store.get();
    const edit = editsOf(problem, source).find((each) => samePlace(each, number));
    fill(input, edit ?? number, problem);
    wrong.textContent = "";
  };
  restore();
  input.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") restore();
  });
  input.addEventListener("focus", () => store.set({ pinned: true, playing: false }));
  input.addEventListener("change", () => {
    const { problem, source } = store.get();
    try {
      const value = readNumber(input.value, problem.dtype);
      wrong.textContent = "";
      input.removeAttribute("aria-invalid");
      store.set({ source: withEdit(source, { array: number.array, index: number.index, value }), explanation: "" });
    } catch (error) {
      input.setAttribute("aria-invalid", "true");
      wrong.textContent = (error as Error).message;
    }
  });
  return html("label", {}, html("code", {}, nameOf(number)), input, wrong);
}

function fill(input: HTMLInputElement, { value }: { value: number }, problem: Problem): void {
  input.value = literal(value, problem.dtype);
  input.removeAttribute("aria-invalid");
}
