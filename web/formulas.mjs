// Renders formulas for the documentation: a line of JSON in, a line of JSON out (docs/_extensions/formulas.py).
import { createInterface } from "node:readline";

import katex from "katex";

for await (const line of createInterface({ input: process.stdin })) {
  const { formula, display } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ html: katex.renderToString(formula, { displayMode: display, strict: false }) }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
