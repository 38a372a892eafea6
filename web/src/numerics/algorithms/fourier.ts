// Fourier transforms of planes whose sides are powers of two, in place, in float64.

import type { Pair } from "../../model/problem";

/** A plane of complex numbers, real and imaginary parts apart. */
export interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

export const complex = (length: number): Complex => ({ re: new Float64Array(length), im: new Float64Array(length) });

/** The first power of two that is no smaller. */
export const powerOfTwo = (least: number): number => 2 ** Math.ceil(Math.log2(least));

/** Transforms a plane along both axes: sign −1 to its spectrum, +1 back, where the mean is not taken. */
export function fourier(plane: Complex, [rows, columns]: Pair, sign: 1 | -1): void {
  for (let row = 0; row < rows; row++) {
    const [start, end] = [row * columns, (row + 1) * columns];
    butterflies({ re: plane.re.subarray(start, end), im: plane.im.subarray(start, end) }, sign);
  }
  const line = complex(rows);
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) {
      line.re[row] = plane.re[row * columns + column];
      line.im[row] = plane.im[row * columns + column];
    }
    butterflies(line, sign);
    for (let row = 0; row < rows; row++) {
      plane.re[row * columns + column] = line.re[row];
      plane.im[row * columns + column] = line.im[row];
    }
  }
}

/** One line of Cooley and Tukey's transform: log₂ N levels, each joining neighbours two by two. */
function butterflies({ re, im }: Complex, sign: 1 | -1): void {
  const length = re.length;
  for (let place = 1, mirrored = 0; place < length; place++) {
    let bit = length >> 1;
    for (; mirrored & bit; bit >>= 1) mirrored ^= bit;
    mirrored |= bit;
    if (place >= mirrored) continue;
    [re[place], re[mirrored]] = [re[mirrored], re[place]];
    [im[place], im[mirrored]] = [im[mirrored], im[place]];
  }
  const { re: cosines, im: sines } = rootsOf(length);
  for (let half = 1; half < length; half *= 2) {
    const stride = length / (2 * half);
    for (let start = 0; start < length; start += 2 * half) {
      for (let place = 0; place < half; place++) {
        const [one, other] = [start + place, start + place + half];
        const [cosine, sine] = [cosines[place * stride], sign * sines[place * stride]];
        const [real, imaginary] = [re[other] * cosine - im[other] * sine, re[other] * sine + im[other] * cosine];
        re[other] = re[one] - real;
        im[other] = im[one] - imaginary;
        re[one] += real;
        im[one] += imaginary;
      }
    }
  }
}

const rootsCache = new Map<number, Complex>();

/** exp(2π√−1 · k / N), for k from 0 to N − 1. */
export function rootsOf(length: number): Complex {
  const roots = rootsCache.get(length) ?? {
    re: Float64Array.from({ length }, (_, place) => Math.cos((2 * Math.PI * place) / length)),
    im: Float64Array.from({ length }, (_, place) => Math.sin((2 * Math.PI * place) / length)),
  };
  rootsCache.set(length, roots);
  return roots;
}
