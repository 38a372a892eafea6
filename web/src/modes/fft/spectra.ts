// The spectra of a scene, computed when they are needed. The sum over channels is computed in time slices:
// a layer may have thousands of channels.

import { channelOf, firstFilterOf } from "../../model/focus";
import type { Focus, OutputFocus } from "../../model/focus";
import { channelsPerGroup, count, groupOf } from "../../model/problem";
import type { Pair } from "../../model/problem";
import { correlation, filterSpectrum, inputSpectrum, multiplyAdd, transformLengths } from "../../numerics/algorithms/fft";
import { complex, rootsOf } from "../../numerics/algorithms/fourier";
import type { Complex } from "../../numerics/algorithms/fourier";
import type { Scene } from "../../numerics/scene";

/** What a focus looks at: one filter, and one of the channels that it reads. */
export interface Selection {
  readonly filter: number;
  readonly channel: number; // among those that the filter reads
  readonly plane: number; // the channel among all
}

/** Σ over channels of a filter, as far as it has been computed. */
export interface Sum {
  readonly filter: number;
  readonly product: Complex;
  done: number; // channels
  full: Float64Array | null; // the inverse transform, once all channels are in
}

const MOST_KEPT = 4_000_000; // numbers of the channels' spectra that are kept

export class Spectra {
  readonly lengths: Pair;
  readonly points: number;
  private readonly strongestOf = new Map<number, number>();
  private readonly pictures = new Map<number, Complex>();
  private weight: { plane: number; spectrum: Complex } | null = null;
  private summed: Sum | null = null;
  private lastTerms: { focus: OutputFocus; full: Float64Array | null; terms: Float64Array } | null = null;

  constructor(private readonly scene: Scene) {
    this.lengths = transformLengths(scene.problem);
    this.points = count(this.lengths);
  }

  /** The filter and the channel of a focus. A pixel keeps the last filter if that filter reads it. */
  selection(focus: Focus): Selection {
    const perGroup = channelsPerGroup(this.scene.problem);
    const plane = channelOf(this.scene.problem, focus);
    const last = this.summed?.filter ?? 0;
    const stays = focus.kind === "input" && groupOf(this.scene.problem, last) === Math.floor(plane / perGroup);
    const filter = focus.kind !== "input" ? focus.filter : stays ? last : firstFilterOf(this.scene.problem, plane);
    return { filter, channel: plane % perGroup, plane };
  }

  picture(plane: number): Complex {
    const spectrum = this.pictures.get(plane) ?? inputSpectrum(this.scene.problem, this.scene.operands.input, plane);
    if (this.pictures.size * this.points < MOST_KEPT) this.pictures.set(plane, spectrum);
    return spectrum;
  }

  filter({ filter, channel }: Selection): Complex {
    const plane = filter * channelsPerGroup(this.scene.problem) + channel;
    if (this.weight?.plane === plane) return this.weight.spectrum;
    this.weight = { plane, spectrum: filterSpectrum(this.scene.problem, this.scene.operands.weight, plane) };
    return this.weight.spectrum;
  }

  sum({ filter }: Selection): Sum {
    if (this.summed?.filter === filter) return this.summed;
    this.summed = { filter, product: complex(this.points), done: 0, full: null };
    return this.summed;
  }

  /** Adds channels to a filter's sum until the milliseconds have passed; true once all are in. */
  advance(selection: Selection, milliseconds: number): boolean {
    const { problem, operands } = this.scene;
    const sum = this.sum(selection);
    const perGroup = channelsPerGroup(problem);
    const first = groupOf(problem, sum.filter) * perGroup;
    const until = performance.now() + milliseconds;
    while (sum.done < perGroup && performance.now() < until) {
      multiplyAdd(sum.product, this.picture(first + sum.done), filterSpectrum(problem, operands.weight, sum.filter * perGroup + sum.done));
      sum.done++;
    }
    if (sum.done < perGroup) return false;
    sum.full ??= correlation(sum.product, this.lengths);
    return true;
  }

  /** The term of each frequency in an output; their sum is the output without its bias. */
  waveTerms(focus: OutputFocus): Float64Array {
    const sum = this.sum(this.selection(focus));
    const { lastTerms } = this;
    if (lastTerms && same(lastTerms.focus, focus) && lastTerms.full === sum.full) return lastTerms.terms;
    const [rows, columns] = this.lengths;
    const [down, across] = [rootsOf(rows), rootsOf(columns)];
    const [y, x] = [focus.row * this.scene.axes[0].stride, focus.column * this.scene.axes[1].stride];
    const terms = new Float64Array(this.points);
    for (let k = 0; k < rows; k++) {
      const [kRe, kIm] = [down.re[(k * y) % rows], down.im[(k * y) % rows]];
      for (let l = 0; l < columns; l++) {
        const turn = (l * x) % columns;
        const cosine = kRe * across.re[turn] - kIm * across.im[turn];
        const sine = kRe * across.im[turn] + kIm * across.re[turn];
        const place = k * columns + l;
        terms[place] = (sum.product.re[place] * cosine - sum.product.im[place] * sine) / this.points;
      }
    }
    this.lastTerms = { focus, full: sum.full, terms };
    return terms;
  }

  /** The frequency of the largest wave of a channel that is no mere mean. */
  strongest(plane: number): Pair {
    const { re, im } = this.picture(plane);
    let index = this.strongestOf.get(plane);
    if (index === undefined) {
      index = this.points > 1 ? 1 : 0;
      for (let place = 1; place < this.points; place++) {
        if (Math.hypot(re[place], im[place]) > 1.000001 * Math.hypot(re[index], im[index])) index = place;
      }
      this.strongestOf.set(plane, index);
    }
    return [Math.floor(index / this.lengths[1]), index % this.lengths[1]];
  }

  /** One wave of a channel: a frequency, together with the opposite one that real numbers always have. */
  wave(plane: number, [k, l]: Pair): Float64Array {
    const { re, im } = this.picture(plane);
    const [rows, columns] = this.lengths;
    const place = k * columns + l;
    const alone = (2 * k) % rows === 0 && (2 * l) % columns === 0; // it is its own opposite
    const size = ((alone ? 1 : 2) * Math.hypot(re[place], im[place])) / this.points;
    const phase = Math.atan2(im[place], re[place]);
    return Float64Array.from({ length: this.points }, (_, at) => {
      const [row, column] = [Math.floor(at / columns), at % columns];
      return size * Math.cos(2 * Math.PI * ((k * row) / rows + (l * column) / columns) + phase);
    });
  }
}

const same = (one: OutputFocus, other: OutputFocus): boolean => one.filter === other.filter && one.row === other.row && one.column === other.column;

const cache = new WeakMap<Scene, Spectra>();

/** A scene's spectra, shared by the panes and the text below them. */
export function spectraIn(scene: Scene): Spectra {
  const spectra = cache.get(scene) ?? new Spectra(scene);
  cache.set(scene, spectra);
  return spectra;
}

/** A frequency as it is counted from 0, half of them negative. */
export const signedFrequency = (place: number, length: number): number => (place > length / 2 ? place - length : place);
