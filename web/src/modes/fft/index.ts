// FFT: input and filter as sums of waves. For each frequency there is one product: magnitudes are multiplied,
// phases subtracted. The inverse transform is at the bottom left; the output is a part of it.

import { html } from "../../drawing/dom";
import { Repainter } from "../../drawing/repainter";
import { clamp } from "../../model/arithmetic";
import { outputOf } from "../../model/focus";
import type { Focus } from "../../model/focus";
import { count } from "../../model/problem";
import { transformLengths } from "../../numerics/algorithms/fft";
import { redrawOnOtherBlock } from "../../panes/arrangement";
import type { Context, Room } from "../../panes/context";
import { Hovered } from "../../panes/hovered";
import { outputPane } from "../../panes/output";
import type { Mode } from "../mode";
import { captionOf } from "./caption";
import { planePane } from "./plane_pane";
import { planesOf } from "./planes";
import type { Drawn } from "./planes";
import { fftSentence } from "./sentence";
import { spectraIn } from "./spectra";

const ROW = 0.58; // of a pane: three rows of planes take the room of two
const MOST_POINTS = 2 ** 18; // of a plane that the page transforms
const SLICE = 9; // milliseconds a frame that summing channels may take

export const fft: Mode = {
  name: "fft",
  label: "FFT",
  about: "An image is a sum of waves, and a convolution multiplies each wave by one number.",
  captions: {
    picture: "The input as numbers.",
    "picture-size": "How strong each wave is in the input, on a logarithmic scale.",
    "picture-phase": "How far each wave of the input is shifted.",
    filter: "The filter, in the same size as the input.",
    "filter-size": "By how much the filter strengthens or weakens each wave.",
    "filter-phase": "By how much the filter shifts each wave.",
    result: "The sum of the products, transformed back; the outlined part is the output.",
    "result-size": "How strong each wave is in the result: the product of both, summed over channels.",
    "result-phase": "How far each wave of the result is shifted.",
    shares: "What each wave contributes to the output in focus.",
    wave: "The wave under the pointer, as it is in the input.",
    output: "The part of the result that is the layer’s output.",
  },
  refusal: (problem) => {
    const lengths = transformLengths(problem);
    if (count(lengths) <= MOST_POINTS) return null;
    return `This page transforms up to 512 × 512 points, but the padded input takes ${lengths.join(" × ")}. Set a smaller input_size.`;
  },
  render(context) {
    const { stage, store, scene } = context;
    const spectra = spectraIn(scene);
    const hovered = new Hovered();
    const { focus } = store.get();
    const drawn: Drawn = { selection: spectra.selection(focus), output: outputOf(focus) };
    spectra.advance(drawn.selection, SLICE);
    context.onState((state) => follow(state.focus));

    const room = arranged(context);
    const panes = planesOf(scene, spectra, hovered, drawn).map((plane) => planePane(context, plane, spectra.lengths, hovered, room));
    const output = outputPane(context, room);
    const caption = html("p", { class: "note caption" });
    stage.append(...panes.map(({ element }) => element), output.element, caption);

    const repainter = new Repainter();
    let frame = 0;
    const say = (): void => void (caption.textContent = captionOf(spectra, drawn, hovered));
    const change = (...what: string[]): void => {
      const others = panes.filter(({ plane }) => what.includes(plane.follows));
      for (const { forget } of others) forget();
      repainter.change(others.map(({ grid }) => grid));
    };
    const sumOn = (): void => {
      frame = 0;
      const { done } = spectra.sum(drawn.selection);
      const complete = spectra.advance(drawn.selection, SLICE);
      if (spectra.sum(drawn.selection).done > done) change("filter", "output");
      if (complete) store.set({}); // so that the text below the panes is updated
      else frame = requestAnimationFrame(sumOn);
    };
    let before = { ...drawn };
    context.onState(() => {
      const { selection, output } = drawn;
      const filter = selection.filter !== before.selection.filter;
      if (selection.plane !== before.selection.plane) change("channel", "frequency");
      else if (filter) change("channel");
      if (filter) change("filter");
      if (filter || output.row !== before.output.row || output.column !== before.output.column) change("output");
      before = { ...drawn };
      if (!spectra.sum(selection).full) frame ||= requestAnimationFrame(sumOn);
      say();
    });
    hovered.onChange(() => {
      change("frequency");
      for (const { mark } of panes) mark();
      say();
    });
    redrawOnOtherBlock(context);
    return () => {
      repainter.stop();
      cancelAnimationFrame(frame);
    };

    function follow(focus: Focus): void {
      drawn.selection = spectra.selection(focus);
      drawn.output = focus.kind === "output" ? focus : { ...drawn.output, filter: drawn.selection.filter };
    }
  },
  sentence: (scene, { focus }) => (fft.refusal?.(scene.problem, "") ? null : fftSentence(scene, spectraIn(scene), focus)),
};

/** The size of a plane: four columns of planes, three on a narrow screen. */
function arranged({ stage, room }: Context): Room {
  const narrow = room.width < 620;
  const [columns, gap] = narrow ? [3, 12] : [4, 40];
  const width = (room.width - (columns - 1) * gap) / columns;
  const areas = narrow
    ? '"picture picture-size picture-phase" "filter filter-size filter-phase" "result result-size result-phase" "output shares wave" "caption caption caption"'
    : '"picture picture-size picture-phase output" "filter filter-size filter-phase shares" "result result-size result-phase wave" "caption caption caption caption"';
  const side = Math.min(width, clamp(ROW * room.height, 96, 540));
  stage.style.gridTemplate = `${areas} / ${new Array<string>(columns).fill(`${side}px`).join(" ")}`;
  stage.style.columnGap = `${gap}px`;
  return { width: side, height: side };
}
