// The text below the panes: one output as a sum of its tile's products, and the multiplications of the whole
// layer beside the definition's.

import { html } from "../../drawing/dom";
import { multiplicationBars } from "../../drawing/multiplication_bars";
import { bracketed, fraction, grouped, scientific, short } from "../../drawing/numbers";
import type { Focus, OutputFocus } from "../../model/focus";
import { count, tapCount } from "../../model/problem";
import { multiplications } from "../../numerics/algorithms/winograd";
import type { Scene } from "../../numerics/scene";
import { plural } from "../../panes/pane";
import { biasTerm, restTerm, withIndices } from "../../panes/sentence";
import { positionsIn } from "./tile";
import type { Tiles } from "./tile";

const MOST_TERMS = 6;

export function winogradSentence(scene: Scene, tiles: Tiles, outputs: number, focus: Focus): Node {
  const text = document.createDocumentFragment();
  if (focus.kind === "output") text.append(...ofOutput(scene, tiles, focus));
  else text.append(...ofOther(scene, tiles, focus));
  const bars = countsOf.get(tiles) ?? counted(scene, tiles, outputs);
  countsOf.set(tiles, bars);
  text.append(bars);
  return text;
}

const countsOf = new WeakMap<Tiles, Node>(); // the counts are the layer's, so they do not depend on the focus

function ofOutput(scene: Scene, tiles: Tiles, focus: OutputFocus): Node[] {
  const tile = tiles.tileOf(focus);
  const [height, width] = tiles.transforms;
  const [a, b] = [focus.row % tiles.outputs[0], focus.column % tiles.outputs[1]];
  const terms = [...tile.products]
    .map((product, element) => ({
      factor: height.output[a][Math.floor(element / tiles.elements[1])] * width.output[b][element % tiles.elements[1]],
      product,
    }))
    .filter(({ factor }) => factor !== 0);

  const equation = html("p", { class: "equation" }, withIndices("y", [focus.filter, focus.row, focus.column]), " = ");
  terms.slice(0, MOST_TERMS).forEach(({ factor, product }, place) => {
    const text = Math.abs(factor) === 1 ? bracketed(factor * product) : `${fraction(factor)}·${bracketed(product)}`;
    const sign = factor * product < 0 ? "negative" : "positive";
    equation.append(place ? " + " : "", html("span", { class: `term ${sign}` }, text));
  });
  const rest = terms.slice(MOST_TERMS);
  if (rest.length) {
    const sum = rest.reduce((total, { factor, product }) => total + factor * product, 0);
    equation.append(...restTerm(sum, rest.length, "more term"));
  }
  const { bias } = scene.operands;
  if (bias) equation.append(...biasTerm(bias[focus.filter]));
  const value = tile.result[a * tiles.outputs[1] + b];
  equation.append(" = ", html("strong", {}, short(value, 5)));

  const taps = scene.terms(focus.filter, focus.row, focus.column);
  const exact = taps.reduce((sum, { x, w }) => sum + x * w, bias ? bias[focus.filter] : 0);
  const difference = Math.abs(value - exact);
  const facts = html("p", { class: "facts" });
  facts.append(
    `${terms.length} of the tile’s ${plural(tile.products.length, "product")} are terms of this output, with the factors of row ${a} of Aᵀ down and row ${b} across. `,
    `The definition gives ${short(exact, 5)}: `,
    html("strong", {}, `|Δ| = ${difference === 0 ? "0" : scientific(difference)}`),
    difference === 0 ? "." : ", because sums in another order round differently.",
  );
  return [equation, facts];
}

function ofOther(scene: Scene, tiles: Tiles, focus: Exclude<Focus, OutputFocus>): Node[] {
  const [height, width] = tiles.transforms;
  const places = positionsIn(scene, tiles, focus);
  if (focus.kind === "input") {
    const value = scene.pixel(focus.channel, focus.row, focus.column);
    const touched = places.pixel ? touchedBy(column(height.input, places.pixel[0]), column(width.input, places.pixel[1])) : 0;
    const [down, across] = ([0, 1] as const).map((axis) => tilesReading(scene, tiles, axis, axis ? focus.column : focus.row));
    return [
      html("p", { class: "equation" }, withIndices("x", [focus.channel, focus.row, focus.column]), " = ", html("strong", {}, short(value, 4))),
      html(
        "p",
        { class: "facts" },
        `${plural(down * across, "tile")} ${down * across === 1 ? "contains" : "contain"} it (${down} down × ${across} across). In the drawn tile it is a term of ${plural(touched, "element")} of V.`,
      ),
    ];
  }
  const [row, across] = places.tap ?? [0, 0];
  const touched = touchedBy(column(height.filter, row), column(width.filter, across));
  const channel = tiles.channelOf(focus);
  return [
    html("p", { class: "equation" }, withIndices("w", [focus.filter, channel, row, across]), " = ", html("strong", {}, short(scene.weightAt(focus.filter, focus.k), 4))),
    html("p", { class: "facts" }, `It is a term of ${plural(touched, "element")} of U, which is computed once for all ${plural(count(tiles.number), "tile")}.`),
  ];
}

/** The layer's multiplications as two bars, the definition's and these. */
function counted(scene: Scene, tiles: Tiles, outputs: number): Node {
  const { products, constants, definition } = multiplications(scene.problem, outputs);
  const total = products + constants;
  const tileProducts = count(tiles.elements);
  const tileOutputs = count(tiles.outputs);
  const directProducts = tileOutputs * tapCount(scene.problem);
  const more = total > definition;
  const times = short(more ? total / definition : definition / total, 3);
  const verdict = html(
    "p",
    { class: "facts" },
    html("strong", {}, `${grouped(tileProducts)} multiplications instead of ${grouped(directProducts)}`),
    ` give ${plural(tileOutputs, "output")} of one channel: ${short(directProducts / tileProducts, 3)} × fewer. With the transforms, the layer takes `,
    html("strong", {}, `${times} × ${more ? "more" : "fewer"} multiplications`),
    more ? " than the definition: too few channels and filters share each transform." : " than the definition.",
  );
  return multiplicationBars(verdict, [
    { name: "definition", parts: [{ kind: "definition", size: definition }], text: grouped(definition) },
    {
      name: "Winograd",
      parts: [{ kind: "main", size: products }, { kind: "beside", size: constants }],
      text: `${grouped(products)} + ${grouped(constants)} by constants`,
    },
  ]);
}

const column = (matrix: readonly (readonly number[])[], place: number): number[] => matrix.map((row) => row[place]);

const touchedBy = (down: readonly number[], across: readonly number[]): number =>
  down.filter((factor) => factor !== 0).length * across.filter((factor) => factor !== 0).length;

/** How many tiles along an axis read a pixel. */
function tilesReading(scene: Scene, tiles: Tiles, axis: 0 | 1, position: number): number {
  const place = position + scene.axes[axis].padding[0];
  let tileCount = 0;
  for (let tile = 0; tile < tiles.number[axis]; tile++) {
    const offset = place - tile * tiles.outputs[axis];
    if (offset >= 0 && offset < tiles.elements[axis]) tileCount++;
  }
  return tileCount;
}
