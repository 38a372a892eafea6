// Verify: each output's distance from the definition in float64, and its bound. The bound is no chosen
// tolerance: it follows from the shapes and the numbers.

import { html } from "../drawing/dom";
import { Grid } from "../drawing/grid";
import { cell, percent, scientific, short } from "../drawing/numbers";
import { Scatter } from "../drawing/scatter";
import { runInSlices } from "../drawing/time_slices";
import { outputAt, outputOf } from "../model/focus";
import type { OutputFocus } from "../model/focus";
import { groupOf } from "../model/problem";
import type { State } from "../model/state";
import { CANDIDATES } from "../numerics/candidates";
import type { Candidate } from "../numerics/candidates";
import type { Scene } from "../numerics/scene";
import { allowedErrors, defineOutputs, errorAt, filterProblem, shareAt } from "../numerics/verification";
import type { Bound, CheckedOutputs } from "../numerics/verification";
import type { Context } from "../panes/context";
import { block, blockNote, plural } from "../panes/pane";
import { withIndices } from "../panes/sentence";
import { chosenName } from "./mode";
import type { Mode } from "./mode";

const GAP = 40;
const REST = 200; // milliseconds without a move, after which checking continues
const DECADES = 6; // of the error relative to its bound, that the colours show

interface CheckedFilter extends CheckedOutputs {
  readonly bound: Bound;
}

/** The checked filters of a scene, by candidate and filter; null where the candidate's output is not known. */
const checkedFilters = new WeakMap<Scene, Map<string, CheckedFilter | null>>();

export const verify: Mode = {
  name: "verify",
  label: "Verify",
  about: "How far each output is from the definition in float64, and how far it may be.",
  captions: {
    errors: "Each output’s error as a share of what its bound allows.",
    bounds: "Each output as a point: its error upwards, its bound to the right; no point may lie above the line.",
  },
  choices: CANDIDATES,
  refusal: (problem, choice) => candidateOf(choice).refusal?.(problem) ?? null,
  render(context) {
    const { scene, store, stage, room, choice, theme } = context;
    const candidate = candidateOf(choice);
    const focused = outputOf(store.get().focus).filter;
    if (!checkFilter(scene, candidate, focused)) {
      stage.append(html("p", { class: "refusal" }, "PyTorch’s output is not known here. Open the page with --serve, or show a layer in a notebook."));
      return awaitOutput(context);
    }
    const { start, end } = block(scene.problem.outChannels, focused);
    const narrow = room.width < 620;
    const width = narrow ? room.width : (room.width - GAP) / 2;
    stage.style.gridTemplateColumns = narrow ? "minmax(0, 1fr)" : "repeat(2, minmax(0, 1fr))";

    const [height, columns] = [scene.axes[0].outputSize, scene.axes[1].outputSize];
    const checkedSoFar = (): (CheckedFilter | null | undefined)[] => range(start, end).map((filter) => checkedFilters.get(scene)?.get(key(candidate, filter)));
    const pin = (focus: OutputFocus): void => store.set({ focus, pinned: true, playing: false });
    const hover = (focus: OutputFocus): void => {
      const { pinned, playing } = store.get();
      if (!pinned && !playing) store.set({ focus });
    };
    const at = (place: number): OutputFocus =>
      outputAt(start + Math.floor(place / scene.positions), Math.floor((place % scene.positions) / columns), place % columns);
    const placeOf = ({ filter, row, column }: OutputFocus): number => (filter - start) * scene.positions + row * columns + column;

    const shares = (filter: number, place: number): number => {
      const checked = checkedFilters.get(scene)?.get(key(candidate, filter));
      return checked ? shareAt(checked, place) : NaN;
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
        hover: (hovered) => {
          if (!grid.numbered) context.magnifier.show(grid, hovered, theme, grid.spec.describe?.(hovered) ?? "");
          hover(outputAt(start + hovered.plane, hovered.row, hovered.column));
        },
        leave: () => context.magnifier.hide(),
        pick: ({ plane, row, column }) => pin(outputAt(start + plane, row, column)),
      },
    );
    const bound = checkFilter(scene, candidate, focused)?.bound;
    const labels = { x: `bound: ${bound?.formula} · (${bound?.referenceFormula})`, y: "|Δ|", line: "the bound: no error may be above it" };
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
      const checked = checkedSoFar();
      let worst: { place: number; share: number } | null = null;
      let number = 0;
      for (const each of checked) {
        if (!each) break; // filters are checked in this order
        for (let place = 0; place < scene.positions; place++) {
          const share = shareAt(each, place);
          if (!worst || share > worst.share) worst = { place: number + place, share };
        }
        number += scene.positions;
      }
      const locate = (place: number): [CheckedFilter, number] => [checked[Math.floor(place / scene.positions)] as CheckedFilter, place % scene.positions];
      const points = { number, x: (place: number) => locate(place)[0].allowed[locate(place)[1]], y: (place: number) => errorAt(...locate(place)) };
      grid.repaint();
      scatter.draw(points, worst?.place ?? null);
      scatter.mark(placeOf(outputOf(store.get().focus)));
      verdict.replaceChildren(...verdictText(worst && { ...worst, focus: at(worst.place) }, number));
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
    return runInSlices((milliseconds) => moves() || checkFiltersFor(scene, candidate, start, end, milliseconds), () => moves() || show());
  },
  sentence(scene, state) {
    const candidate = candidateOf(chosenName(verify, state.choice));
    if (candidate.refusal?.(scene.problem)) return html("p", { class: "facts" }, "");
    return inNumbers(scene, candidate, state);
  },
};

const candidateOf = (choice: string): Candidate => CANDIDATES.find(({ name }) => name === choice) ?? CANDIDATES[0];
const key = ({ name }: Candidate, filter: number): string => `${name} ${filter}`;
const range = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, place) => start + place);

/** The colour value of an error relative to its bound: 0 for a millionth or less, 1 for the bound itself. */
const strength = (share: number): number => (share === 0 ? 0 : Math.max(0, 1 + Math.log10(share) / DECADES));

/** Judges one filter, once. */
function checkFilter(scene: Scene, candidate: Candidate, filter: number): CheckedFilter | null {
  const cache = checkedFilters.get(scene) ?? new Map<string, CheckedFilter | null>();
  checkedFilters.set(scene, cache);
  const before = cache.get(key(candidate, filter));
  if (before) return before;
  const { problem, operands } = filterProblem(scene.problem, scene.operands, filter);
  const values = candidate.run(problem, operands, scene, filter);
  if (!values) return null;
  const { definition, magnitude } = defineOutputs(problem, operands);
  const bound = candidate.bound(problem, operands, magnitude);
  const checked = { values, definition, allowed: allowedErrors(problem, bound, magnitude), bound };
  cache.set(key(candidate, filter), checked);
  return checked;
}

/** Judges filters until the milliseconds have passed; false where all were judged before. */
function checkFiltersFor(scene: Scene, candidate: Candidate, start: number, end: number, milliseconds: number): boolean {
  const until = performance.now() + milliseconds;
  for (let filter = start; filter < end; filter++) {
    if (checkedFilters.get(scene)?.has(key(candidate, filter))) continue;
    checkFilter(scene, candidate, filter);
    if (performance.now() > until) return true;
  }
  return false;
}

/** Redraws when Python has answered. */
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

function verdictText(worst: { share: number; focus: OutputFocus } | null, number: number): (Node | string)[] {
  if (!worst) return [];
  const { filter, row, column } = worst.focus;
  if (worst.share === 0) return [`All of ${plural(number, "output")} equal the definition.`];
  return [
    html("strong", {}, worst.share > 1 ? "Wrong. " : "Right. "),
    `The worst of ${plural(number, "output")}, `,
    withIndices("y", [filter, row, column]),
    `, used ${percent(worst.share)} of its bound.`,
  ];
}

function inNumbers(scene: Scene, candidate: Candidate, { focus }: State): Node {
  const output = outputOf(focus);
  const checked = checkFilter(scene, candidate, output.filter);
  if (!checked) return html("p", { class: "facts" }, "");
  const place = output.row * scene.axes[1].outputSize + output.column;
  const [value, definition, error] = [checked.values[place], checked.definition[place], errorAt(checked, place)];
  const { formula, referenceFormula, reference } = checked.bound;
  const equation = html("p", { class: "equation" });
  equation.append(
    "|Δ| = |", withIndices("y", [output.filter, output.row, output.column]), ` − definition| = |${short(value, 9)} − ${short(definition, 12)}| = `,
    html("strong", {}, error === 0 ? "0" : scientific(error)), ` ≤ ${formula} · ${short(reference[place], 4)} = `,
    html("strong", {}, scientific(checked.allowed[place])),
  );
  const share = shareAt(checked, place);
  const text =
    `${candidate.label}: ${candidate.about} Its bound is ${formula} · (${referenceFormula}); ` +
    (share === 0 ? "this output is exact." : `this output’s error is ${percent(share)} of it.`);
  const all = document.createDocumentFragment();
  all.append(equation, html("p", { class: "facts" }, text));
  return all;
}

function inWords(scene: Scene, candidate: Candidate, output: OutputFocus): string {
  const checked = checkFilter(scene, candidate, output.filter);
  if (!checked) return "";
  const place = output.row * scene.axes[1].outputSize + output.column;
  return `The error at filter ${output.filter}, row ${output.row}, column ${output.column} is ${scientific(errorAt(checked, place))}, its bound ${scientific(checked.allowed[place])}.`;
}
