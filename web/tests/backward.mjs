// Makes the steps of both gradients of what Python wrote: node backward.mjs CASES.json
// Each case is { problem, input, weight, grad_output }; prints for each its steps, { name: tensor }.
import { readFile } from "node:fs/promises";
import { sources } from "./sources.mjs";

const { backward, decode, encode, parse } = await sources(`
export { backward } from "./numerics/algorithms/backward";
export { decode, encode } from "./model/tensors";
export { parse } from "./model/shorthand";`);

const cases = JSON.parse(await readFile(process.argv[2], "utf8"));
const answers = cases.map(({ problem, ...arrays }) => {
  const [input, weight, gradOutput] = ["input", "weight", "grad_output"].map((name) => decode(arrays[name]).values);
  const { inputSteps, weightSteps } = backward(parse(problem), { input, weight, bias: null }, gradOutput);
  return Object.fromEntries([...inputSteps, ...weightSteps].map(({ name, shape, values }) => [name, encode(shape, values)]));
});
process.stdout.write(JSON.stringify(answers));
