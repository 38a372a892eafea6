// F(m, r): the three matrices that give m outputs of a filter of r taps by m + r − 1 products, from the
// points that Python chooses (mathematics/cook_toom.py). These are multiples of 1/4, so float64 holds every
import { WINOGRAD_POINTS } from "../../model/constants";
// entry of Aᵀ and Bᵀ exactly and rounds those of G once, as Python's fractions do when they become numbers.

export type Matrix = readonly (readonly number[])[];

export interface Transforms {
  readonly output: Matrix; // Aᵀ [m, n]
  readonly filter: Matrix; // G  [n, r]
  readonly input: Matrix; // Bᵀ [n, n]
}

/** y = Aᵀ [(G g) ⊙ (Bᵀ d)]: n − 1 different points, and infinity as the n-th. */
export function cookToom(m: number, r: number): Transforms {
  const points = WINOGRAD_POINTS[m + r - 2];
  const others = points.map((point) => points.filter((other) => other !== point));
  const divisors = points.map((point, j) => others[j].reduce((product, other) => product * (point - other), 1));
  const values = [...points.map((point) => powers(point, m)), atInfinity(m)];
  return {
    output: Array.from({ length: m }, (_, exponent) => values.map((value) => value[exponent])),
    filter: [...points.map((point, j) => powers(point, r).map((power) => power / divisors[j])), atInfinity(r)],
    input: [...others.map((rest) => [...withRoots(rest), 0]), withRoots(points)],
  };
}

/** What evaluates a polynomial of so many coefficients at a point. */
const powers = (point: number, number: number): number[] => Array.from({ length: number }, (_, exponent) => point ** exponent);

/** What evaluates it at infinity, where only its highest coefficient counts. */
const atInfinity = (number: number): number[] => [...new Array<number>(number - 1).fill(0), 1];

/** The coefficients of Π (x − p), lowest first. */
function withRoots(points: readonly number[]): number[] {
  let coefficients = [1];
  for (const point of points) {
    const scaled = [...coefficients, 0];
    coefficients = [0, ...coefficients].map((shifted, place) => shifted - point * scaled[place]);
  }
  return coefficients;
}
