// Backward: the gradient of the output goes back to the input and to the weight. Both ways are
// convolutions, so the panes that draw the layer draw them too, with other names.

import { random } from "../arrays";
import type { Numbers } from "../arrays";
import type { Context } from "../context";
import { unravel } from "../convolution";
import { html } from "../dom";
import { biasGradient, inputGradient, weightGradient, weightGradientOperands } from "../gradients";
import { short } from "../numbers";
import { plural } from "../pane";
import { channelOf, inputPane } from "../panes/input";
import { outputPane } from "../panes/output";
import { weightPane } from "../panes/weight";
import { channelsPerGroup, count, filtersPerGroup, groupOf, outputSize, tapCount } from "../problem";
import { Scene } from "../scene";
import type { Names } from "../scene";
import { named, sentence } from "../sentence";
import { outputAt, within } from "../state";
import type { Focus, State, Store } from "../state";
import { chosenIn } from "./mode";
import type { Mode } from "./mode";
import { redrawForOthers } from "./window";

const GAP = 40;
const SEED = 4; // beside those of the input, the weight and the bias
const SLICE = 8; // milliseconds a frame that computing may take

export const backward: Mode = {
  name: "backward",
  label: "Backward",
  about: "The output’s gradient on its way back to pixels and weights.",
  choices: [
    { name: "input", label: "to the input", about: "Each pixel gathers the gradients of the outputs that used it." },
    { name: "weight", label: "to the weight", about: "Each weight gathers its pixel times the gradient of every output." },
  ],
  render(context) {
    const { stage, room, choice, scene, store } = context;
    const way = wayOf(scene, choice, store.get().focus);
    const back = backwards(context, way);
    const across = room.width >= 620 ? 2 : 1;
    const each = { width: (room.width - (across - 1) * GAP) / across, height: room.height * (across === 2 ? 1.2 : 1) };
    stage.style.gridTemplateColumns = `repeat(${across}, minmax(0, 1fr))`;
    const [input, weight] = [inputPane(back, each).element, weightPane(back, each).element];
    const output = outputPane(back, { ...each, height: each.height * 1.6 }).element;
    stage.append(html("div", { class: "stack" }, input, weight), html("div", { class: "stack" }, output));
    redrawForOthers(back);
    context.onState(({ focus }) => {
      if (wayOf(scene, choice, focus) !== way) context.redraw();
    });
    return back.stop;
  },
  sentence(scene, state, store) {
    const way = wayOf(scene, chosenIn(backward, state.choice), state.focus);
    const focus = way.to(state.focus);
    return focus.kind === "output" ? sentence(way.scene, focus, translated(store, way)) : way.said(state.focus);
  },
};

/** A gradient as a convolution of its own, and how the layer's focus is said in it. */
interface Way {
  readonly scene: Scene;
  to(focus: Focus): Focus;
  /** The layer's focus; null for what stands for nothing of the layer. */
  from(focus: Focus): Focus | null;
  /** What an element does that is not the gradient itself. */
  said(focus: Focus): Node;
}

const ways = new WeakMap<Scene, Map<string, Way>>();

function wayOf(scene: Scene, choice: string, focus: Focus): Way {
  const known = ways.get(scene) ?? new Map<string, Way>();
  ways.set(scene, known);
  const channel = choice === "weight" ? channelOf(scene, focus) : 0; // one at a time, each its own convolution
  const key = `${choice} ${channel}`;
  const way = known.get(key) ?? (choice === "weight" ? toWeight(scene, channel) : toInput(scene));
  known.set(key, way);
  return way;
}

/** The output's gradient, [out_channels, out_height, out_width]: any numbers would do, these are always the same. */
function gradientOf({ problem }: Scene): Numbers {
  return random(problem.outChannels * count(outputSize(problem)), 1, SEED, problem.dtype);
}

function toInput(scene: Scene): Way {
  const { problem } = scene;
  const [filters, channels, taps] = [filtersPerGroup(problem), channelsPerGroup(problem), tapCount(problem)];
  const [down, across] = problem.stride;
  const g = gradientOf(scene);
  const positions = count(outputSize(problem));
  const names: Names = {
    ...scene.names,
    input: "grad_output",
    output: "grad_input",
    channel: scene.names.filter,
    filter: scene.names.channel,
    x: ([filter, row, column]) => ["g", [filter, row / down, column / across]],
    w: ([channel, filter, row, column]) => {
      const [tall, wide] = problem.kernelSize;
      return ["w", [Math.floor(channel / channels) * filters + filter, channel % channels, tall - 1 - row, wide - 1 - column]];
    },
    y: (at) => ["∂x", at],
  };
  const asked = { ...inputGradient(problem), batch: 1 };
  const given = {
    input: { shape: [1, problem.outChannels, ...outputSize(problem)], values: g },
    weight: { shape: [problem.outChannels, channels, ...problem.kernelSize], values: scene.operands.weight },
  };
  return {
    scene: new Scene(asked, { name: "", picture: false, colours: false, names, ...given }, ""),
    to: (focus) => {
      if (focus.kind === "input") return outputAt(focus.channel, focus.row, focus.column);
      if (focus.kind === "output") return { kind: "input", channel: focus.filter, row: focus.row * down, column: focus.column * across };
      const [channel, tap] = [Math.floor(focus.k / taps), focus.k % taps];
      const group = groupOf(problem, focus.filter);
      return { kind: "weight", filter: group * channels + channel, k: (focus.filter % filters) * taps + (taps - 1 - tap) };
    },
    from: (focus) => {
      if (focus.kind === "output") return { kind: "input", channel: focus.filter, row: focus.row, column: focus.column };
      if (focus.kind === "input") return focus.row % down || focus.column % across ? null : outputAt(focus.channel, focus.row / down, focus.column / across);
      const [filter, tap] = [Math.floor(focus.k / taps), focus.k % taps];
      return { kind: "weight", filter: Math.floor(focus.filter / channels) * filters + filter, k: (focus.filter % channels) * taps + (taps - 1 - tap) };
    },
    said: (focus) => {
      if (focus.kind === "weight") {
        return said(
          named("w", [focus.filter, ...unravel(problem, focus.k)]),
          scene.weightAt(focus.filter, focus.k),
          `It multiplies each of the ${plural(positions, "gradient")} of filter ${focus.filter} on the way back, as it multiplied pixels on the way there.`,
        );
      }
      const { filter, row, column } = focus as Extract<Focus, { kind: "output" }>;
      const value = g[(filter * outputSize(problem)[0] + row) * outputSize(problem)[1] + column];
      return said(
        named("g", [filter, row, column]),
        value,
        `It goes back to the ${plural(channels * taps, "pixel")} of its window: each gets its weight times ${short(value)}. ` +
          "What a pixel gets from all its windows is its gradient; point at one.",
      );
    },
  };
}

function toWeight(scene: Scene, channel: number): Way {
  const { problem } = scene;
  const [filters, channels, taps] = [filtersPerGroup(problem), channelsPerGroup(problem), tapCount(problem)];
  const [tall, wide] = outputSize(problem);
  const first = Math.floor(channel / channels) * filters;
  const g = gradientOf(scene);
  const bias = problem.bias ? biasGradient(problem, g) : null;
  const names: Names = {
    ...scene.names,
    weight: "grad_output",
    output: "grad_weight",
    channel: () => scene.names.channel(channel),
    filter: (number) => scene.names.filter(first + number),
    x: ([, row, column]) => ["x", [channel, row, column]],
    w: ([filter, , row, column]) => ["g", [first + filter, row, column]],
    y: ([filter, row, column]) => ["∂w", [first + filter, channel % channels, row, column]],
  };
  const asked = weightGradient(problem);
  const given = weightGradientOperands(problem, scene.operands.input, g, channel);
  const source = {
    input: { shape: [1, 1, ...problem.inputSize], values: given.input },
    weight: { shape: [filters, 1, tall, wide], values: given.weight },
  };
  return {
    scene: new Scene(asked, { name: "", picture: false, colours: false, names, ...source }, ""),
    to: (focus) => {
      if (focus.kind === "input") return { ...focus, channel: 0 };
      if (focus.kind === "output") return { kind: "weight", filter: focus.filter - first, k: focus.row * wide + focus.column };
      const [, row, column] = unravel(problem, focus.k);
      return outputAt(focus.filter - first, row, column);
    },
    from: (focus) => {
      if (focus.kind === "input") return { ...focus, channel };
      if (focus.kind === "weight") return outputAt(first + focus.filter, Math.floor(focus.k / wide), focus.k % wide, (channel % channels) * taps);
      return { kind: "weight", filter: first + focus.filter, k: (channel % channels) * taps + focus.row * problem.kernelSize[1] + focus.column };
    },
    said: (focus) => {
      if (focus.kind === "input") {
        return said(
          named("x", [focus.channel, focus.row, focus.column]),
          scene.pixel(focus.channel, focus.row, focus.column),
          "It is multiplied with the gradient of every output that used it, each time for the weight that they met with.",
        );
      }
      const { filter, row, column } = focus as Extract<Focus, { kind: "output" }>;
      const value = g[(filter * tall + row) * wide + column];
      const sum = bias ? ` The bias’s own gradient is the sum of filter ${filter}’s: ${short(bias[filter])}.` : "";
      return said(
        named("g", [filter, row, column]),
        value,
        `Every weight of filter ${filter} gets the pixel that it met there times ${short(value)}.${sum} ` +
          "Point at a weight’s gradient to see what it gathers.",
      );
    },
  };
}

function said(what: Node, value: number, facts: string): Node {
  const all = document.createDocumentFragment();
  const equation = html("p", { class: "equation" });
  equation.append(what, " = ", html("strong", {}, short(value, 4)));
  all.append(equation, html("p", { class: "facts" }, facts));
  return all;
}

/** The layer's store, read and written in a gradient's own terms. */
function translated(store: Pick<Store, "get" | "set">, way: Way): Pick<Store, "get" | "set"> {
  return {
    get: () => inTerms(store.get(), way),
    set: ({ focus, ...others }) => {
      const own = focus && way.from(within(way.scene.asked, focus));
      if (own) store.set({ ...others, focus: own });
      else if (!focus) store.set(others);
    },
  };
}

const inTerms = (state: State, way: Way): State => ({ ...state, focus: within(way.scene.asked, way.to(state.focus)) });

/** A context in which panes draw a gradient; it computes what is not known yet, some milliseconds a frame. */
function backwards(context: Context, way: Way): Context & { stop(): void } {
  const numbers: (() => void)[] = [];
  let frame = 0;
  const compute = (): void => {
    if (way.scene.compute(SLICE)) for (const listener of numbers) listener();
    frame = way.scene.complete ? 0 : requestAnimationFrame(compute);
  };
  frame = requestAnimationFrame(compute);
  return {
    ...context,
    scene: way.scene,
    store: translated(context.store, way),
    onState: (listener) => context.onState((state) => listener(inTerms(state, way))),
    onNumbers: (listener) => numbers.push(listener),
    stop: () => cancelAnimationFrame(frame),
  };
}
