// The code that the page copies for problems, and the outputs that the page computes: node pytorch_code.mjs CASES.json
// Each case is { problem, kernel?, edits?, photograph? }; prints { code, output } for each, in their order.
import { readFile } from "node:fs/promises";
import { sources } from "./sources.mjs";

const { convolve, describeInput, encode, format, outputShape, parse, pytorchCode, readEdits, Scene } = await sources(`
export { readEdits } from "./model/edits";
export { outputShape } from "./model/problem";
export { pytorchCode } from "./model/pytorch_code";
export { format, parse } from "./model/shorthand";
export { encode } from "./model/tensors";
export { convolve } from "./numerics/convolution";
export { describeInput, Scene } from "./numerics/scene";`);

const cases = JSON.parse(await readFile(process.argv[2], "utf8"));
const written = cases.map(({ problem: text, kernel = "", edits: typed = "", photograph = false }) => {
  const problem = parse(text);
  const { edits, wrong } = readEdits(problem, typed);
  if (wrong.length) throw new Error(`no place for ${wrong}`);
  const [, , height, width] = [1, 3, 16, 16];
  const input = { shape: [1, 3, height, width], values: Float32Array.from({ length: 3 * height * width }, (_, place) => (((place * 37) % 256) / 255 - 0.5) / 0.5) };
  const source = { name: "", resampled: photograph, photograph, input: photograph ? input : undefined, kernel, edits };
  const scene = new Scene(problem, source, format(problem));
  const code = pytorchCode(problem, scene.originalOperands, describeInput(scene));
  return { code, output: encode(outputShape(problem), convolve(problem, scene.originalOperands)) };
});
process.stdout.write(JSON.stringify(written));
