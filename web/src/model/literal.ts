// Numbers as text that reads back as the same number.

import type { Problem } from "./problem";

const FLOAT32_DIGITS = 9; // enough for every float32

/** The shortest decimal that reads back as the same number of a format: 0.1, not 0.10000000149011612. */
export function literal(value: number, dtype: Problem["dtype"]): string {
  if (Object.is(value, -0)) return "-0";
  if (dtype === "float32") {
    for (let digits = 1; digits < FLOAT32_DIGITS; digits++) {
      const tried = Number(value.toPrecision(digits));
      if (Math.fround(tried) === Math.fround(value)) return String(tried);
    }
  }
  return String(value);
}
