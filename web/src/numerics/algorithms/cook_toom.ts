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
  const weights = points.map((point, j) => powers(point, r).map((power) => power / divisors[j]));
  const pieces = [...others.map((rest) => [...withRoots(rest), 0]), withRoots(points)];
  const values = [...points.map((point) => powers(point, m)), atInfinity(m)];
  // Two factors may change their sign together: the rows of Bᵀ for 0 and infinity begin with a positive number.
  points.forEach((point, j) => {
    if (point === 0 && first(pieces[j]) < 0) [pieces[j], weights[j]] = [negated(pieces[j]), negated(weights[j])];
  });
  const last = points.length;
  if (first(pieces[last]) < 0) [pieces[last], values[last]] = [negated(pieces[last]), negated(values[last])];
  return {
    output: Array.from({ length: m }, (_, exponent) => values.map((value) => value[exponent])),
    filter: [...weights, atInfinity(r)],
    input: pieces,
  };
}

/** The first entry that is not 0. */
const first = (row: readonly number[]): number => row.find((entry) => entry !== 0) ?? 0;

/** The row with its signs changed; 0 has none. */
const negated = (row: readonly number[]): number[] => row.map((entry) => 0 - entry);

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
