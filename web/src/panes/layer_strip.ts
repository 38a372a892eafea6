// The strip of layers: the image, then each layer with its output. On all of them, what the output in focus
// depends on is marked, and its size on the image is written below.

import { colourMap, pack } from "../drawing/colour";
import type { Theme } from "../drawing/colour";
import { html, keepInView, svg } from "../drawing/dom";
import { filterOf } from "../model/focus";
import { LAYER_EXAMPLES, titleOf } from "../model/layers";
import type { PlacedLayer } from "../model/layers";
import { inputShape } from "../model/problem";
import type { Pair, Problem } from "../model/problem";
import type { State } from "../model/state";
import type { Array4 } from "../model/tensors";
import { largestMagnitude } from "../numerics/arrays";
import type { Chain } from "../numerics/chain";
import { fieldsInside, receptiveField, sizeOf } from "../numerics/receptive_field";
import type { Field } from "../numerics/receptive_field";
import { layerFacts } from "./layer_facts";
import { LayerStep } from "./layer_step";

const LEAST = 1 / 9; // of a picture's longer side, for its shorter one

export interface StripEvents {
  open(index: number): void;
  add(written: string): void;
  removeLast(): void;
}

export class LayerStrip {
  readonly element = html("nav", { class: "layers", "aria-label": "layers", hidden: true });
  private readonly blocks = html("div", { class: "layer-blocks" });
  private readonly field = html("p", { class: "layer-field", "aria-live": "polite" });
  private readonly step = new LayerStep();
  private readonly written = html("input", { type: "text", list: "glassconv-layers", placeholder: "8@3x3 p1, relu, maxpool 2", "aria-label": "a layer in shorthand", spellcheck: "false", autocomplete: "off" });
  private readonly remove = html("button", { type: "button", title: "remove the last layer" }, "− layer");
  private pictures: Picture[] = []; // of the input, then of each layer's output
  private chain: Chain | null = null;
  private adding = false; // the reader opened the form, though there is one layer alone

  constructor(private readonly events: StripEvents) {
    const examples = html("datalist", { id: "glassconv-layers" }, ...LAYER_EXAMPLES.map((value) => html("option", { value })));
    const add = html("form", { class: "layer-form" }, this.written, examples, html("button", { title: "append this layer: it reads the output of the last one" }, "+ layer"), this.remove);
    add.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.written.value.trim()) events.add(this.written.value);
      this.written.value = "";
    });
    this.remove.addEventListener("click", () => events.removeLast());
    this.element.append(this.blocks, html("div", { class: "layer-line" }, add, this.field), this.step.element);
  }

  /** Opens the form that adds a layer. */
  startAdding(): void {
    this.adding = true;
    this.element.hidden = false;
    this.element.classList.add("adding");
    this.written.focus();
  }

  /** Draws the layers again. */
  show(chain: Chain, state: State, theme: Theme): void {
    this.chain = chain;
    const several = state.layers.length > 1;
    this.element.hidden = !several && !this.adding;
    this.remove.hidden = !several;
    this.pictures = [];
    if (!several) {
      this.blocks.replaceChildren();
      this.field.textContent = "";
      this.step.close();
      return;
    }
    const facts = layerFacts(chain.layers);
    const input = chain.input;
    const first = this.picture(input, theme, input.rgb);
    const [, ...shape] = inputShape(chain.layers[0].problem as Problem);
    const image = html("div", { class: "layer-block" }, first, html("span", {}, "input"), html("small", {}, shape.join(" × ")));
    this.blocks.replaceChildren(image, ...chain.layers.map((layer, index) => this.block(layer, index, facts[index], state, theme)));
    const opened = this.blocks.querySelector<HTMLElement>('[aria-pressed="true"]');
    if (opened) keepInView(this.blocks, opened);
    this.step.redraw(chain, theme);
    this.follow(state);
  }

  /** Marks what the focus depends on. */
  follow(state: State): void {
    const { chain } = this;
    if (!chain || state.layers.length < 2) return;
    const { focus, layer } = state;
    const start = chain.layers.slice(0, layer + 1).findLastIndex(({ misfit }) => misfit) + 1 || 0;
    const from = start ? start - 1 : 0; // the first layer that the open one is computed from
    const problems = chain.layers.slice(from, layer + 1).map(({ problem }) => problem as Problem);
    const at: Pair | null = focus.kind === "output" ? [focus.row, focus.column] : null;
    const all = at ? fieldsInside(problems, at) : [];
    this.pictures.forEach((picture, index) => picture.mark(all[index - from]));
    for (const [first, end] of runs(chain.layers)) {
      const own = first <= layer && layer < end;
      const channel = own ? filterOf(state.problem, focus) : strongest(chain.outputOf(end - 1));
      for (let index = first; index < end; index++) this.pictures[index + 1].show(channel);
    }
    this.field.textContent = at && from === 0 ? inWords(all[0], receptiveField(problems, at)) : "";
  }

  private block(layer: PlacedLayer, index: number, facts: string, state: State, theme: Theme): HTMLElement {
    const { chain } = this;
    const convolution = layer.kind === "conv";
    const button = html("button", { type: "button", class: "layer-block", "data-name": index, "data-kind": layer.kind });
    if (convolution) {
      button.title = `open ${titleOf(layer, index)}`;
      button.setAttribute("aria-pressed", String(index === state.layer));
      button.addEventListener("click", () => this.events.open(index));
    } else {
      button.title = "what goes in and what comes out";
      button.setAttribute("aria-expanded", String(this.step.index === index));
      button.addEventListener("click", () => {
        if (chain) this.step.toggle(chain, index, theme);
        for (const each of this.blocks.querySelectorAll("[aria-expanded]")) each.setAttribute("aria-expanded", String(Number((each as HTMLElement).dataset.name) === this.step.index));
      });
    }
    const output = chain?.outputOf(index) ?? null;
    button.append(this.picture(output, theme, false), html("span", {}, titleOf(layer, index)), html("small", {}, layer.text));
    button.append(html("small", { class: "layer-facts" }, facts));
    const misfit = layer.misfit || chain?.missing(index);
    if (misfit) button.append(html("small", { class: "layer-misfit" }, misfit));
    return button;
  }

  private picture(array: Array4 | null, theme: Theme, rgb: boolean): HTMLElement {
    const picture = new Picture(array, theme, rgb);
    this.pictures.push(picture);
    return picture.element;
  }
}

/** One plane of an array, small, with a rectangle on it; the first image in its own colours. */
class Picture {
  readonly element = html("span", { class: "layer-picture", "aria-hidden": "true" });
  private readonly canvas = html("canvas");
  private readonly rectangle = svg("rect", { class: "mark window" });
  private readonly size: Pair;
  private readonly scale: number;
  private channel = -1;

  constructor(
    private readonly array: Array4 | null,
    private readonly theme: Theme,
    private readonly rgb: boolean,
  ) {
    const [, , rows, columns] = array?.shape ?? [1, 1, 1, 1];
    this.size = [rows, columns];
    this.scale = largestMagnitude(array?.values ?? []);
    const [tall, wide] = [rows, columns].map((side) => Math.max(LEAST, side / Math.max(rows, columns)));
    this.element.style.cssText = `--wide:${wide};--tall:${tall}`;
    const overlay = svg("svg", { viewBox: `0 0 ${columns} ${rows}`, preserveAspectRatio: "none" }, this.rectangle);
    this.element.append(this.canvas, overlay);
    this.show(0); // its size
  }

  /** Paints a channel. */
  show(channel: number): void {
    if (!this.array || channel === this.channel || channel >= this.array.shape[1]) return;
    this.channel = channel;
    const [rows, columns] = this.size;
    const { values } = this.array;
    const count = rows * columns;
    const image = new ImageData(columns, rows);
    const pixels = new Uint32Array(image.data.buffer);
    const map = colourMap(this.theme);
    const shade = (value: number): number => Math.max(0, Math.min(255, Math.round((value / this.scale + 1) * 127.5)));
    for (let place = 0; place < count; place++) {
      pixels[place] = this.rgb
        ? pack([shade(values[place]), shade(values[count + place]), shade(values[2 * count + place])])
        : map.packed[map.step(values[channel * count + place], this.scale)];
    }
    Object.assign(this.canvas, { width: columns, height: rows });
    this.canvas.getContext("2d")?.putImageData(image, 0, 0);
  }

  mark(field: Field | null | undefined): void {
    this.rectangle.toggleAttribute("hidden", !field);
    if (!field) return;
    const [rows, columns] = field;
    const box = { x: columns.first, y: rows.first, width: sizeOf(columns), height: sizeOf(rows) };
    for (const [name, value] of Object.entries(box)) this.rectangle.setAttribute(name, String(value));
  }
}

/** The layers from each convolution to the next: they have the same channels. */
function runs(layers: readonly PlacedLayer[]): [first: number, end: number][] {
  const starts = layers.flatMap(({ kind }, index) => (kind === "conv" ? [index] : []));
  return starts.map((start, place) => [start, starts[place + 1] ?? layers.length]);
}

/** The channel with the largest sum of magnitudes, of an output that may be zero in some. */
function strongest(array: Array4 | null): number {
  if (!array) return 0;
  const [, channels, rows, columns] = array.shape;
  const sums = new Array<number>(channels).fill(0);
  array.values.forEach((value, place) => (sums[Math.floor(place / (rows * columns))] += Math.abs(value)));
  return sums.indexOf(Math.max(...sums));
}

/** How much of the image an output depends on. */
function inWords(inside: Field | null, whole: Field): string {
  if (!inside) return "This output depends on no pixel of the image: it reads padding only.";
  const [read, size] = [inside, whole].map((field) => field.map(sizeOf).join(" × "));
  const words = `This output depends on ${read} pixels of the image`;
  return read === size ? `${words}.` : `${words}: its receptive field is ${size}, and the rest of it is padding.`;
}
