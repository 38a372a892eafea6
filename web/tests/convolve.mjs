// Convolves what Python wrote, with the explorer's own sources: node convolve.mjs CASES.json
// Each case is { problem, input, weight, bias? }; prints the outputs, in the order of the cases.
import { readFile } from "node:fs/promises";
import { sources } from "./sources.mjs";

const { convolve, decode, encode, format, outputShape, parse } = await sources(`
export { decode, encode } from "./model/tensors";
export { convolve } from "./numerics/convolution";
export { outputShape } from "./model/problem";
export { format, parse } from "./model/shorthand";`);

const cases = JSON.parse(await readFile(process.argv[2], "utf8"));
const outputs = cases.map(({ problem: text, input, weight, bias }) => {
  const problem = parse(text);
  const operands = { input: decode(input).values, weight: decode(weight).values, bias: bias ? decode(bias).values : null };
  return { written: format(problem), output: encode(outputShape(problem), convolve(problem, operands)) };
});
process.stdout.write(JSON.stringify(outputs));
