// Numbers as people read them.

const MINUS = "−";
const MOST_BELOW = 2000; // of what counts as a small fraction

/** About `digits` digits: 0.0312, −12.5, 3. */
export function short(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return signed(String(value));
  if (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-4) return scientific(value, digits);
  return signed(value.toPrecision(digits).includes("e") ? String(Math.round(value)) : value.toPrecision(digits));
}

/** A term of a sum or a factor of a product: a negative number is in brackets. */
export const bracketed = (value: number): string => (value < 0 ? `(${short(value)})` : short(value));

/** A pixel times a weight: 2·(−1). */
export const factors = (pixel: number, weight: number): string => `${bracketed(pixel)}·${bracketed(weight)}`;

/** What fits a cell: at most two decimals, and no zero before them. */
export function cell(value: number): string {
  if (Number.isInteger(value)) return signed(String(value));
  const decimals = Math.abs(value) < 9.995 ? 2 : Math.abs(value) < 99.95 ? 1 : 0;
  return signed(value.toFixed(decimals).replace(/^(-?)0\./, "$1.").replace(/^-\.00$/, ".00"));
}

export function scientific(value: number, digits = 3): string {
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  return `${signed(mantissa)}·10${superscript(Number(exponent))}`;
}

/** 10⁻⁶ */
export const decade = (power: number): string => `10${superscript(power)}`;

/** A fraction as a percentage: 12 %, 0.031 %. */
export const percent = (share: number): string => `${share >= 0.0995 ? Math.round(share * 100) : short(share * 100, 2)} %`;

/** A ratio of small whole numbers: −5/2; other numbers as `short` writes them. */
export function fraction(value: number): string {
  for (let below = 1; below <= MOST_BELOW; below++) {
    const above = value * below;
    if (Math.abs(above - Math.round(above)) > 1e-9 * Math.max(1, Math.abs(above))) continue;
    return signed(`${Math.round(above)}${below === 1 ? "" : `/${below}`}`).replace(/^−0$/, "0");
  }
  return short(value);
}

/** 1 234 567, with thin spaces. */
export const grouped = (value: number): string => Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");

export function bytesOf(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit && value < 100 ? value.toPrecision(3) : Math.round(value)} ${units[unit]}`;
}

const signed = (text: string): string => text.replace("-", MINUS);

const superscript = (power: number): string =>
  [...String(power)].map((digit) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(digit)]).join("");
