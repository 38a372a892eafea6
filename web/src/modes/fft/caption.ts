// The marked frequency in words.

import type { Complex } from "../../numerics/algorithms/fourier";
import { short } from "../../drawing/numbers";
import type { Pointed } from "../../panes/hovered";
import type { Drawn } from "./planes";
import { signed } from "./spectra";
import type { Spectra } from "./spectra";

export function captionOf(spectra: Spectra, { look, output }: Drawn, pointed: Pointed): string {
  const [k, l] = pointed.get() ?? spectra.strongest(look.plane);
  const [rows, columns] = spectra.lengths;
  const place = k * columns + l;
  const size = ({ re, im }: Complex): string => short(Math.hypot(re[place], im[place]));
  const waves = `${signed(k, rows)} waves down and ${signed(l, columns)} across`;
  const [x, w] = [spectra.picture(look.plane), spectra.filter(look)];
  const which = pointed.get() ? `Frequency ${signed(k, rows)}, ${signed(l, columns)}` : `The strongest wave of channel ${look.plane}`;
  const share = short(spectra.shares(output)[place]);
  return `${which}, ${waves}: |X| · |W| = ${size(x)} · ${size(w)}; its term in y[${output.filter}, ${output.row}, ${output.column}] is ${share}.`;
}
