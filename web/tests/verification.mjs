// Judges what Python wrote: node verification.mjs CASES.json
// Each case is { problem, input, weight, bias? }; prints for each the plain sums, the definition and the
// bound of every output of the first image, by the explorer's own sources.
import { readFile } from "node:fs/promises";
import { sources } from "./sources.mjs";

const { allowed, decode, define, encode, ofFilter, outputShape, parse, roundedSums, sumsBound } = await sources(`
export { decode, encode } from "./arrays";
export { outputShape } from "./problem";
export { parse } from "./shorthand";
export { allowed, define, ofFilter, roundedSums, sumsBound } from "./verification";`);

const cases = JSON.parse(await readFile(process.argv[2], "utf8"));
const answers = cases.map(({ problem: text, ...arrays }) => {
  const problem = parse(text);
  const [input, weight, bias] = ["input", "weight", "bias"].map((name) => (arrays[name] ? decode(arrays[name]).values : null));
  const planes = Array.from({ length: problem.outChannels }, (_, filter) => {
    const one = ofFilter(problem, { input, weight, bias }, filter);
    const { definition, magnitude } = define(one.problem, one.operands);
    const bound = sumsBound(one.problem, magnitude);
    return { sums: roundedSums(one.problem, one.operands), definition, allowed: allowed(one.problem, bound, magnitude) };
  });
  const [, ...shape] = outputShape(problem);
  const whole = (name) => encode(shape, Float64Array.from(planes.flatMap((plane) => [...plane[name]])));
  return { sums: whole("sums"), definition: whole("definition"), allowed: whole("allowed") };
});
process.stdout.write(JSON.stringify(answers));
