// The marked frequency in words.

import { short } from "../../drawing/numbers";
import type { Complex } from "../../numerics/algorithms/fourier";
import type { Hovered } from "../../panes/hovered";
import type { Drawn } from "./planes";
import { signedFrequency } from "./spectra";
import type { Spectra } from "./spectra";

export function captionOf(spectra: Spectra, { selection, output }: Drawn, hovered: Hovered): string {
  const [k, l] = hovered.get() ?? spectra.strongest(selection.plane);
  const [rows, columns] = spectra.lengths;
  const place = k * columns + l;
  const size = ({ re, im }: Complex): string => short(Math.hypot(re[place], im[place]));
  const waves = `${signedFrequency(k, rows)} waves down and ${signedFrequency(l, columns)} across`;
  const [x, w] = [spectra.picture(selection.plane), spectra.filter(selection)];
  const which = hovered.get() ? `Frequency ${signedFrequency(k, rows)}, ${signedFrequency(l, columns)}` : `The strongest wave of channel ${selection.plane}`;
  const share = short(spectra.waveTerms(output)[place]);
  return `${which}, ${waves}: |X| · |W| = ${size(x)} · ${size(w)}; its term in y[${output.filter}, ${output.row}, ${output.column}] is ${share}.`;
}
