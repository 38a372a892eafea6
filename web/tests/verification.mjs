// Judges what Python wrote: node verification.mjs CASES.json
// Each case is { problem, candidate, input, weight, bias? }; prints for each the candidate's values, the
// definition and the bound of every output of one image, or its refusal, by the explorer's own sources.
import { readFile } from "node:fs/promises";
import { sources } from "./sources.mjs";

const { allowedErrors, CANDIDATES, decode, defineOutputs, encode, filterProblem, outputShape, parse } = await sources(`
export { decode, encode } from "./model/tensors";
export { CANDIDATES } from "./numerics/candidates";
export { outputShape } from "./model/problem";
export { parse } from "./model/shorthand";
export { allowedErrors, defineOutputs, filterProblem } from "./numerics/verification";`);

const cases = JSON.parse(await readFile(process.argv[2], "utf8"));
const answers = cases.map(({ problem: text, candidate: name, ...arrays }) => {
  const problem = parse(text);
  const candidate = CANDIDATES.find((each) => each.name === name);
  const refusal = candidate.refusal?.(problem) ?? null;
  if (refusal !== null) return { refusal };
  const [input, weight, bias] = ["input", "weight", "bias"].map((name) => (arrays[name] ? decode(arrays[name]).values : null));
  const planes = Array.from({ length: problem.outChannels }, (_, filter) => {
    const one = filterProblem(problem, { input, weight, bias }, filter);
    const { definition, magnitude } = defineOutputs(one.problem, one.operands);
    const bound = candidate.bound(one.problem, one.operands, magnitude);
    const values = candidate.run(one.problem, one.operands, null, filter);
    return { values, definition, allowed: allowedErrors(one.problem, bound, magnitude) };
  });
  const [, ...shape] = outputShape(problem);
  const whole = (name) => encode(shape, Float64Array.from(planes.flatMap((plane) => [...plane[name]])));
  return { values: whole("values"), definition: whole("definition"), allowed: whole("allowed") };
});
process.stdout.write(JSON.stringify(answers));
