// Verify: each output's distance from the definition in float64, and its bound. The bound is no chosen
// tolerance: it follows from the shapes and the numbers.

import { CANDIDATES } from "../numerics/candidates";
import type { Candidate } from "../numerics/candidates";
import type { Context } from "../panes/context";
import { html } from "../drawing/dom";
import { Grid } from "../drawing/grid";
import { cell, percent, scientific, short } from "../drawing/numbers";
import { block, blockNote, plural } from "../panes/pane";
import { groupOf } from "../model/problem";
import { Scatter } from "../drawing/scatter";
import type { Scene } from "../numerics/scene";
import { named } from "../panes/sentence";
import { inSlices } from "../drawing/time_slices";
import { outputAt, outputOf } from "../model/focus";
import type { OutputFocus } from "../model/focus";
import type { State } from "../model/state";
import { allowed, define, errorAt, ofFilter, shareAt } from "../numerics/verification";
import type { Bound, Judged } from "../numerics/verification";
import { chosenIn } from "./mode";
import type { Mode } from "./mode";

const GAP = 40;
const REST = 200; // milliseconds without a move, after which judging goes on
const DECADES = 6; // of shares that the colours tell apart

interface Found extends Judged {
  readonly bound: Bound;
}

/** What was found of a scene's filters, by candidate: null where the candidate's output is not known. */
const found = new WeakMap<Scene, Map<string, Found | null>>();

export const verify: Mode = {
  name: "verify",
  label: "Verify",
  about: "How far each output is from the definition in float64, and how far it may be.",
  choices: CANDIDATES,
  refusal: (problem, choice) => candidateOf(choice).refusal?.(problem) ?? null,
  render(context) {
    const { scene, store, stage, room, choice, theme } = context;
    const candidate = candidateOf(choice);
    const focused = outputOf(store.get().focus).filter;
    if (!judge(scene, candidate, focused)) {
      stage.append(html("p", { class: "refusal" }, "PyTorch’s output is not known here. Open the page with --serve, or show a layer in a notebook."));
      return awaitOutput(context);
    }
    const { start, end } = block(scene.problem.outChannels, focused);
    const narrow = room.width < 620;
    const width = narrow ? room.width : (room.width - GAP) / 2;
    stage.style.gridTemplateColumns = narrow ? "minmax(0, 1fr)" : "repeat(2, minmax(0, 1fr))";

    const [height, columns] = [scene.axes[0].outputSize, scene.axes[1].outputSize];
    const known = (): (Found | null | undefined)[] => range(start, end).map((filter) => found.get(scene)?.get(key(candidate, filter)));
    const pin = (focus: OutputFocus): void => store.set({ focus, pinned: true, playing: false });
    const hover = (focus: OutputFocus): void => {
      const { pinned, playing } = store.get();
      if (!pinned && !playing) store.set({ focus });
    };
    const at = (place: number): OutputFocus =>
      outputAt(start + Math.floor(place / scene.positions), Math.floor((place % scene.positions) / columns), place % columns);
    const placeOf = ({ filter, row, column }: OutputFocus): number => (filter - start) * scene.positions + row * columns + column;

    const shares = (filter: number, place: number): number => {
      const judged = found.get(scene)?.get(key(candidate, filter));
      return judged ? shareAt(judged, place) : NaN;
    };
    const grid = new Grid(
      {
        label: "Errors of the outputs, as shares of their bounds",
        planes: end - start,
        rows: height,
        columns,
        labelled: scene.problem.outChannels > 1,
        planeLabel: (plane) => `f = ${start + plane}`,
        ...(scene.problem.groups > 1 ? { band: (plane: number) => groupOf(scene.problem, start + plane) } : {}),
        scale: 1,
        map: "sequential",
        value: (plane, row, column) => strength(shares(start + plane, row * columns + column)),
        written: (value) => (value === 0 ? "0" : cell(100 * 10 ** ((value - 1) * DECADES))),
        describe: ({ plane, row, column }) => {
          const share = shares(start + plane, row * columns + column);
          return `|Δ| is ${share === 0 ? "0" : `${percent(share)} of its bound`}`;
        },
      },
      theme,
      { width, height: room.height * 1.5 },
      {
        hover: (pointed) => {
          if (!grid.numbered) context.lens.show(grid, pointed, theme, grid.spec.describe?.(pointed) ?? "");
          hover(outputAt(start + pointed.plane, pointed.row, pointed.column));
        },
        leave: () => context.lens.hide(),
        pick: ({ plane, row, column }) => pin(outputAt(start + plane, row, column)),
      },
    );
    const bound = judge(scene, candidate, focused)?.bound;
    const labels = { x: `bound: ${bound?.formula} · (${bound?.measure})`, y: "|Δ|", line: "the bound: no error may be above it" };
    const scatter = new Scatter(theme, { width, height: Math.min(Math.max(room.height * 1.5, 260), width * 0.9) }, labels, {
      hover: (place) => hover(at(place)),
      pick: (place) => pin(at(place)),
    });
    const verdict = html("p", { class: "verdict", role: "status" });
    const alternative = html("p", { class: "alternative" });
    const notes = blockNote("filters", scene.problem.outChannels, { start, end }).map((note) => html("p", { class: "note" }, note));
    const ofErrors = heading("Error ÷ bound", `[${end - start}, ${height}, ${columns}]`, legend());
    const ofBounds = heading("Error and bound of every output", plural((end - start) * scene.positions, "output"));
    stage.append(
      html("section", { class: "pane pane-errors" }, ofErrors, grid.element, alternative, ...notes),
      html("section", { class: "pane pane-bounds" }, ofBounds, scatter.element, verdict),
    );

    const show = (): void => {
      const judged = known();
      let worst: { place: number; share: number } | null = null;
      let number = 0;
      for (const each of judged) {
        if (!each) break; // they are judged in this order
        for (let place = 0; place < scene.positions; place++) {
          const share = shareAt(each, place);
          if (!worst || share > worst.share) worst = { place: number + place, share };
        }
        number += scene.positions;
      }
      const of = (place: number): [Found, number] => [judged[Math.floor(place / scene.positions)] as Found, place % scene.positions];
      const points = { number, x: (place: number) => of(place)[0].allowed[of(place)[1]], y: (place: number) => errorAt(...of(place)) };
      grid.repaint();
      scatter.draw(points, worst?.place ?? null);
      scatter.mark(placeOf(outputOf(store.get().focus)));
      verdict.replaceChildren(...said(worst && { ...worst, focus: at(worst.place) }, number));
      verdict.classList.toggle("failed", (worst?.share ?? 0) > 1);
    };
    let moved = 0;
    context.onState(({ focus }) => {
      moved = performance.now();
      const output = outputOf(focus);
      if (output.filter < start || output.filter >= end) return context.redraw();
      grid.mark([{ role: "window", plane: output.filter - start, row: output.row, column: output.column }]);
      scatter.mark(placeOf(output));
      alternative.textContent = inWords(scene, candidate, output);
    });
    moved = -Infinity; // what is here first is shown at once
    const moves = (): boolean => performance.now() - moved < REST;
    return inSlices((milliseconds) => moves() || judgeFor(scene, candidate, start, end, milliseconds), () => moves() || show());
  },
  sentence(scene, state) {
    const candidate = candidateOf(chosenIn(verify, state.choice));
    if (candidate.refusal?.(scene.problem)) return html("p", { class: "facts" }, "");
    return inNumbers(scene, candidate, state);
  },
};

const candidateOf = (choice: string): Candidate => CANDIDATES.find(({ name }) => name === choice) ?? CANDIDATES[0];
const key = ({ name }: Candidate, filter: number): string => `${name} ${filter}`;
const range = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, place) => start + place);

/** A share as a strength of colour: 0 for a millionth of the bound and less, 1 for the bound itself. */
const strength = (share: number): number => (share === 0 ? 0 : Math.max(0, 1 + Math.log10(share) / DECADES));

/** Judges one filter, once. */
function judge(scene: Scene, candidate: Candidate, filter: number): Found | null {
  const known = found.get(scene) ?? new Map<string, Found | null>();
  found.set(scene, known);
  const before = known.get(key(candidate, filter));
  if (before) return before;
  const { problem, operands } = ofFilter(scene.problem, scene.operands, filter);
  const values = candidate.run(problem, operands, scene, filter);
  if (!values) return null;
  const { definition, magnitude } = define(problem, operands);
  const bound = candidate.bound(problem, operands, magnitude);
  const judged = { values, definition, allowed: allowed(problem, bound, magnitude), bound };
  known.set(key(candidate, filter), judged);
  return judged;
}

/** Judges filters until the milliseconds have passed; false where all were judged before. */
function judgeFor(scene: Scene, candidate: Candidate, start: number, end: number, milliseconds: number): boolean {
  const until = performance.now() + milliseconds;
  for (let filter = start; filter < end; filter++) {
    if (found.get(scene)?.has(key(candidate, filter))) continue;
    judge(scene, candidate, filter);
    if (performance.now() > until) return true;
  }
  return false;
}

/** Draws anew when Python's answer has come. */
function awaitOutput(context: Context): () => void {
  context.onNumbers(() => {
    if (context.scene.pytorch) context.redraw();
  });
  return () => undefined;
}

function heading(title: string, shape: string, ...more: Node[]): HTMLElement {
  return html("h2", {}, title, html("span", { class: "shape" }, shape), ...more);
}

function legend(): HTMLElement {
  return html("span", { class: "sizes", title: "colours: logarithmic, from a millionth of the bound or less, to the bound" }, html("i"));
}

function said(worst: { share: number; focus: OutputFocus } | null, number: number): (Node | string)[] {
  if (!worst) return [];
  const { filter, row, column } = worst.focus;
  if (worst.share === 0) return [`All of ${plural(number, "output")} equal the definition.`];
  return [
    html("strong", {}, worst.share > 1 ? "Wrong. " : "Right. "),
    `The worst of ${plural(number, "output")}, `,
    named("y", [filter, row, column]),
    `, used ${percent(worst.share)} of its bound.`,
  ];
}

function inNumbers(scene: Scene, candidate: Candidate, { focus }: State): Node {
  const output = outputOf(focus);
  const judged = judge(scene, candidate, output.filter);
  if (!judged) return html("p", { class: "facts" }, "");
  const place = output.row * scene.axes[1].outputSize + output.column;
  const [value, definition, error] = [judged.values[place], judged.definition[place], errorAt(judged, place)];
  const { formula, measure, scale } = judged.bound;
  const equation = html("p", { class: "equation" });
  equation.append(
    "|Δ| = |", named("y", [output.filter, output.row, output.column]), ` − definition| = |${short(value, 9)} − ${short(definition, 12)}| = `,
    html("strong", {}, error === 0 ? "0" : scientific(error)), ` ≤ ${formula} · ${short(scale[place], 4)} = `,
    html("strong", {}, scientific(judged.allowed[place])),
  );
  const share = shareAt(judged, place);
  const text =
    `${candidate.label}: ${candidate.about} Its bound is ${formula} · (${measure}); ` +
    (share === 0 ? "this output is exact." : `this output’s error is ${percent(share)} of it.`);
  const all = document.createDocumentFragment();
  all.append(equation, html("p", { class: "facts" }, text));
  return all;
}

function inWords(scene: Scene, candidate: Candidate, output: OutputFocus): string {
  const judged = judge(scene, candidate, output.filter);
  if (!judged) return "";
  const place = output.row * scene.axes[1].outputSize + output.column;
  return `The error at filter ${output.filter}, row ${output.row}, column ${output.column} is ${scientific(errorAt(judged, place))}, its bound ${scientific(judged.allowed[place])}.`;
}
