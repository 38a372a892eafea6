// Winograd: the tile in focus, from pixels to outputs. Pixels and filters are transformed, multiplied element by
// element, summed over channels, and transformed back.

import { html } from "../../drawing/dom";
import { filterOf } from "../../model/focus";
import { refusalOf } from "../../numerics/algorithms/winograd";
import { redrawOnOtherBlock } from "../../panes/arrangement";
import type { Room } from "../../panes/context";
import { Hovered } from "../../panes/hovered";
import { outputPane } from "../../panes/output";
import { block } from "../../panes/pane";
import { chosenName } from "../mode";
import type { Mode } from "../mode";
import { matrices } from "./matrices";
import { paddedPane } from "./padded_input";
import { pipeline } from "./pipeline";
import { winogradSentence } from "./sentence";
import { tilesIn } from "./tile";
import { TileOutlines } from "./tile_outlines";

const GAP = 40;
const WIDE = 1900; // pixels that take pictures, tile and matrices side by side

/** outputs: of a tile, along each axis. */
const CHOICES = [2, 4, 6].map((outputs) => ({
  name: `winograd${outputs}`,
  label: `${outputs} × ${outputs}`,
  about: `tiles of ${outputs} × ${outputs} outputs`,
  outputs,
}));

const outputsOf = (choice: string): number => (CHOICES.find(({ name }) => name === choice) ?? CHOICES[0]).outputs;

export const winograd: Mode = {
  name: "winograd",
  label: "Winograd",
  about: "Neighbouring outputs share pixels: after a transform, a tile of outputs takes fewer multiplications.",
  captions: {
    padded: "The input, cut into overlapping tiles; the outlined tile is computed below.",
    output: "The outputs, in tiles that do not overlap; the outlined one comes from the tile of the input.",
    d: "The tile’s pixels.",
    V: "The tile, transformed: only sums of its pixels, times small constants.",
    g: "The filter’s weights.",
    U: "The filter, transformed once for all tiles.",
    M: "Transformed tile times transformed filter, element by element: the only multiplications.",
    Y: "Transformed back: a tile of outputs.",
    channels: "The products of each channel, which are added to the one above.",
  },
  choices: CHOICES,
  refusal: (problem, choice) => refusalOf(problem, outputsOf(choice)),
  render(context) {
    const { stage, room, scene } = context;
    const tiles = tilesIn(scene, outputsOf(context.choice));
    const element = new Hovered();
    const { place, across, picture, lanes, beside } = arranged(room);
    stage.style.gridTemplate = place;
    const output = outputPane(context, picture);
    const pictures = html("div", { class: "pictures", style: `grid-template-columns:repeat(${across}, minmax(0, 1fr))` }, paddedPane(context, tiles, picture), output.element);
    const { path, below, stop } = pipeline(context, tiles, element, lanes, beside);
    stage.append(pictures, path, html("div", { class: "beside" }, ...below, matrices(context, tiles, element)));

    const outlines = new TileOutlines(output.grid, ...tiles.outputs);
    const { focus: start } = context.store.get();
    const shown = block(scene.problem.outChannels, filterOf(scene.problem, start));
    context.onState(({ focus }) => {
      const { filter, at } = tiles.tileOf(focus);
      const [row, column] = [at[0] * tiles.outputs[0], at[1] * tiles.outputs[1]];
      const [rows, columns] = scene.axes.map(({ outputSize }, axis) => Math.min(tiles.outputs[axis], outputSize - at[axis] * tiles.outputs[axis]));
      outlines.show([{ plane: filter - shown.start, row, column, rows, columns }]);
    });
    redrawOnOtherBlock(context);
    return stop;
  },
  sentence: (scene, { focus, choice }) => {
    const outputs = outputsOf(chosenName(winograd, choice));
    return refusalOf(scene.problem, outputs) === null ? winogradSentence(scene, tilesIn(scene, outputs), outputs, focus) : null;
  },
};

/** The layout of the images, the tile's arrays and the matrices in the available room. */
function arranged(room: Room): { place: string; across: number; picture: Room; lanes: Room; beside: Room } {
  if (room.width >= WIDE) {
    const [left, right] = [0.27 * room.width, 0.25 * room.width];
    const lanes = { width: room.width - left - right - 4 * GAP, height: room.height };
    const place = `"pictures path beside" / ${left}px ${lanes.width}px ${right}px`;
    return { place, across: 1, picture: { width: left, height: room.height * 0.8 }, lanes, beside: { width: right, height: 400 } };
  }
  const across = room.width >= 620 ? 2 : 1;
  const picture = { width: (room.width - (across - 1) * GAP) / across, height: room.height };
  const place = '"pictures" "path" "beside" / minmax(0, 1fr)';
  return { place, across, picture, lanes: { width: room.width, height: Math.max(168, room.height * 0.8) }, beside: { width: room.width, height: 200 } };
}
