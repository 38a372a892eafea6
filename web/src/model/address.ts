// The state in the page's address: #problem=…&mode=…&at=… restores it exactly.

import { clamp } from "./arithmetic";
import { editsOf, MOST_EDITS_IN_ADDRESS, readEdits, written as writtenEdits } from "./edits";
import { outputAt } from "./focus";
import type { Focus } from "./focus";
import { namedKernel } from "./kernels";
import { place, readLayers, titleOf, writeLayers } from "./layers";
import type { Changes, Layer } from "./layers";
import type { Problem } from "./problem";
import { format, parse } from "./shorthand";
import type { Edit } from "./source";
import { SPEEDS } from "./state";
import type { State } from "./state";

/** The address that restores the state exactly, except for the reader's own image, which is never sent, and very many edits. */
export function toHash(state: State): string {
  const words = new URLSearchParams({ problem: format(state.problem), mode: state.mode, at: written(state.focus) });
  if (state.layers.length > 1) {
    words.set("layers", writeLayers(state.layers));
    words.set("layer", String(state.layer + 1));
  }
  if (state.choice) words.set("choice", state.choice);
  if (state.preset) words.set("preset", state.preset);
  writeChanges(words, state.problem, state.source, "");
  for (const [index, { problem, changes }] of place(state.layers).entries()) {
    if (problem && changes && index !== state.layer) writeChanges(words, problem, changes, String(index + 1));
  }
  if (state.pinned) words.set("pinned", "1");
  if (state.theme !== "auto") words.set("theme", state.theme);
  if (state.counting !== "macs") words.set("count", state.counting);
  if (state.speed !== 1) words.set("speed", String(state.speed));
  return `#${words.toString().replaceAll("%40", "@").replaceAll("%3A", ":").replaceAll("%2C", ",").replaceAll("%3B", ";")}`;
}

/** Writes "kernel" and "edit" for the open layer, "kernel2" and "edit2" for the second of a strip. */
function writeChanges(words: URLSearchParams, problem: Problem, changes: Changes, layer: string): void {
  if (changes.kernel) words.set(`kernel${layer}`, changes.kernel);
  const edits = editsOf(problem, changes);
  if (edits.length && edits.length <= MOST_EDITS_IN_ADDRESS) words.set(`edit${layer}`, writtenEdits(problem, edits));
}

/** The state that an address describes; missing and invalid parts are left out. */
export function fromHash(hash: string): Partial<State> {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const state: { -readonly [name in keyof State]?: State[name] } = {};
  try {
    if (words.has("problem")) state.problem = parse(words.get("problem") ?? "");
  } catch (error) {
    state.error = `The link has no valid problem: ${(error as Error).message}`;
  }
  if (words.has("problem")) state.layers = [];
  if (words.has("layers")) readStrip(words, state);
  const focus = read(words.get("at") ?? "");
  if (focus) state.focus = focus;
  const mode = words.get("mode");
  if (mode) state.mode = mode;
  const choice = words.get("choice");
  if (choice) state.choice = choice;
  const preset = words.get("preset");
  if (preset) state.preset = preset;
  if (words.get("pinned") === "1") state.pinned = true;
  const theme = words.get("theme");
  if (theme === "dark" || theme === "light") state.theme = theme;
  if (words.get("count") === "flops") state.counting = "flops";
  const speed = Number(words.get("speed"));
  if (SPEEDS.includes(Math.abs(speed))) state.speed = speed;
  return state;
}

/** The named kernel and the edits that an address describes for a problem, with an explanation where something does not fit. */
export const numbersFromHash = (hash: string, problem: Problem): Numbers => readChanges(new URLSearchParams(hash.replace(/^#/, "")), problem, "");

interface Numbers {
  readonly kernel: string;
  readonly edits: readonly Edit[];
  readonly explanation: string;
}

function readChanges(words: URLSearchParams, problem: Problem, layer: string): Numbers {
  const kernel = words.get(`kernel${layer}`) ?? "";
  const { edits, wrong } = readEdits(problem, words.get(`edit${layer}`) ?? "");
  const causes = wrong.map((word) => `${word} names no number of ${format(problem)}`);
  if (kernel && !namedKernel(kernel)) causes.push(`no kernel is named ${kernel}`);
  const explanation = causes.length ? `The link has edits that cannot be made: ${causes.join("; ")}.` : "";
  return { kernel: namedKernel(kernel)?.name ?? "", edits, explanation };
}

/** The layers of a strip, and the problem of the one that is open. */
function readStrip(words: URLSearchParams, state: { -readonly [name in keyof State]?: State[name] }): void {
  const placed = place(readLayers(words.get("layers") ?? ""));
  const layer = clamp(Number(words.get("layer") ?? 1) - 1 || 0, 0, placed.length - 1);
  const layers = placed.map(({ name, text, problem }, index): Layer => {
    if (!problem || index === layer) return { name, text };
    const { kernel, edits } = readChanges(words, problem, String(index + 1));
    return kernel || edits.length ? { name, text, changes: { kernel, edits } } : { name, text };
  });
  const { problem, kind, misfit } = placed[layer];
  if (kind !== "conv" || !problem) {
    state.explanation = `The link opens ${titleOf(layers[layer], layer)}, ${layers[layer].text}: ${misfit || "it is no convolution."}`;
    return;
  }
  Object.assign(state, { layers, layer, problem });
}

function written(focus: Focus): string {
  if (focus.kind === "input") return ["x", focus.channel, focus.row, focus.column].join();
  if (focus.kind === "weight") return ["w", focus.filter, focus.k].join();
  return ["y", focus.filter, focus.row, focus.column, ...(focus.tap === null ? [] : [focus.tap])].join();
}

function read(text: string): Focus | null {
  const [kind, ...words] = text.split(",");
  const [a, b, c, d] = words.map(Number);
  if (words.some((word) => !/^\d{1,9}$/.test(word))) return null;
  if (kind === "y" && (words.length === 3 || words.length === 4)) return outputAt(a, b, c, d ?? null);
  if (kind === "x" && words.length === 3) return { kind: "input", channel: a, row: b, column: c };
  if (kind === "w" && words.length === 2) return { kind: "weight", filter: a, k: b };
  return null;
}
