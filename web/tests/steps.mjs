// Runs the explorer's algorithms on what Python wrote: node steps.mjs CASES.json
// Each case is { algorithm, problem, input, weight, bias? }; prints for each its steps, { name: tensor }.
// Of no cases: the names of the algorithms.
import { readFile } from "node:fs/promises";
import { sources } from "./sources.mjs";

const { ALGORITHMS, decode, encode, parse } = await sources(`
export { ALGORITHMS } from "./numerics/algorithms";
export { decode, encode } from "./model/tensors";
export { parse } from "./model/shorthand";`);

const cases = JSON.parse(await readFile(process.argv[2], "utf8"));
const answers = cases.map(({ algorithm, problem, ...arrays }) => {
  const values = (name) => (arrays[name] ? decode(arrays[name]).values : null);
  const operands = { input: values("input"), weight: values("weight"), bias: values("bias") };
  const steps = ALGORITHMS[algorithm](parse(problem), operands);
  return Object.fromEntries(steps.map(({ name, shape, values, complex }) => [name, encode(complex ? [...shape, 2] : shape, values)]));
});
process.stdout.write(JSON.stringify(cases.length ? answers : Object.keys(ALGORITHMS)));
