// The text below the panes: one output as the sum of its waves, and the multiplications of the whole layer
// beside the definition's.

import { html } from "../../drawing/dom";
import { multiplicationBars } from "../../drawing/multiplication_bars";
import { bracketed, grouped, scientific, short } from "../../drawing/numbers";
import type { Focus, OutputFocus } from "../../model/focus";
import { channelsPerGroup } from "../../model/problem";
import { multiplications } from "../../numerics/algorithms/fft";
import type { Scene } from "../../numerics/scene";
import { plural } from "../../panes/pane";
import { biasTerm, restTerm, withIndices } from "../../panes/sentence";
import { signedFrequency } from "./spectra";
import type { Spectra } from "./spectra";

const MOST_TERMS = 5;

export function fftSentence(scene: Scene, spectra: Spectra, focus: Focus): Node {
  const text = document.createDocumentFragment();
  if (focus.kind === "output") text.append(...ofOutput(scene, spectra, focus));
  else text.append(ofOther(scene, spectra, focus));
  const bars = countsOf.get(spectra) ?? counted(scene);
  countsOf.set(spectra, bars);
  text.append(bars);
  return text;
}

const countsOf = new WeakMap<Spectra, Node>(); // the counts are the layer's, so they do not depend on the focus

function ofOutput(scene: Scene, spectra: Spectra, focus: OutputFocus): Node[] {
  const sum = spectra.sum(spectra.selection(focus));
  const total = channelsPerGroup(scene.problem);
  const equation = html("p", { class: "equation" }, withIndices("y", [focus.filter, focus.row, focus.column]), " = ");
  if (!sum.full) {
    equation.append(html("span", { class: "rest" }, `${sum.done} of ${plural(total, "channel")} summed …`));
    return [equation];
  }
  const { number, most, rest } = wavesOf(spectra.waveTerms(focus), spectra.lengths);
  most.forEach(({ share, k, l }, place) => {
    equation.append(place ? " + " : "", html("span", { class: `term ${share < 0 ? "negative" : "positive"}`, title: `frequency ${k}, ${l}` }, bracketed(share)));
  });
  if (number > most.length) equation.append(...restTerm(rest, number - most.length, "more wave"));
  const { bias } = scene.operands;
  if (bias) equation.append(...biasTerm(bias[focus.filter]));
  const [height, width] = scene.axes;
  const full = sum.full[focus.row * height.stride * spectra.lengths[1] + focus.column * width.stride];
  const value = full + (bias ? bias[focus.filter] : 0);
  equation.append(" = ", html("strong", {}, short(value, 5)));

  const exact = scene.terms(focus.filter, focus.row, focus.column).reduce((all, { x, w }) => all + x * w, bias ? bias[focus.filter] : 0);
  const difference = Math.abs(value - exact);
  const facts = html(
    "p",
    { class: "facts" },
    `${grouped(number)} waves, each the input’s times the filter’s, are added at this position. The definition gives ${short(exact, 5)}: `,
    html("strong", {}, `|Δ| = ${difference === 0 ? "0" : scientific(difference)}`),
    difference === 0 ? "." : ", with transforms in float64.",
  );
  return [equation, facts];
}

interface Wave {
  readonly share: number;
  readonly k: number;
  readonly l: number;
}

/** The waves: how many, the largest, and the sum of the others. A frequency and its opposite are one wave. */
function wavesOf(shares: Float64Array, [rows, columns]: readonly [number, number]): { number: number; most: Wave[]; rest: number } {
  const most: Wave[] = [];
  let [number, rest] = [0, 0];
  for (let k = 0; k < rows; k++) {
    for (let l = 0; l < columns; l++) {
      const [place, opposite] = [k * columns + l, ((rows - k) % rows) * columns + ((columns - l) % columns)];
      if (place > opposite) continue;
      number++;
      const share = place === opposite ? shares[place] : shares[place] + shares[opposite];
      rest += share;
      if (most.length === MOST_TERMS && Math.abs(share) <= Math.abs(most[MOST_TERMS - 1].share)) continue;
      most.push({ share, k: signedFrequency(k, rows), l: signedFrequency(l, columns) });
      most.sort((one, other) => Math.abs(other.share) - Math.abs(one.share)).splice(MOST_TERMS);
    }
  }
  return { number, most, rest: most.reduce((sum, { share }) => sum - share, rest) };
}

function ofOther(scene: Scene, spectra: Spectra, focus: Exclude<Focus, OutputFocus>): Node {
  const all = grouped(spectra.points);
  if (focus.kind === "input") {
    const value = short(scene.pixel(focus.channel, focus.row, focus.column), 4);
    return html("p", { class: "equation" }, withIndices("x", [focus.channel, focus.row, focus.column]), " = ", html("strong", {}, value), ` contributes to all ${all} frequencies of X.`);
  }
  const value = short(scene.weightAt(focus.filter, focus.k), 4);
  return html("p", { class: "equation" }, withIndices("w", [focus.filter, focus.k]), " = ", html("strong", {}, value), ` contributes to all ${all} frequencies of W.`);
}

/** The layer's multiplications as two bars, the definition's and these. */
function counted(scene: Scene): Node {
  const { transforms, products, definition } = multiplications(scene.problem);
  const total = transforms + products;
  const more = total > definition;
  const verdict = html(
    "p",
    { class: "facts" },
    html("strong", {}, "One product for each frequency"),
    " of a channel and a filter, however large the kernel. With the transforms, the layer takes ",
    html("strong", {}, `${short(more ? total / definition : definition / total, 3)} × ${more ? "more" : "fewer"} multiplications`),
    more ? " than the definition: this algorithm needs large kernels." : " than the definition.",
  );
  return multiplicationBars(verdict, [
    { name: "definition", parts: [{ kind: "definition", size: definition }], text: grouped(definition) },
    {
      name: "FFT",
      parts: [{ kind: "main", size: products }, { kind: "beside", size: transforms }],
      text: `${grouped(products)} + ${grouped(transforms)} in transforms`,
    },
  ]);
}
