// How the page reads shorthands: node shorthand.mjs CASES.json
// Prints for each text { written, output }, with 'same' as numbers, or { cause }, in their order.
import { readFile } from "node:fs/promises";
import { sources } from "./sources.mjs";

const { format, outputShape, parse } = await sources(`
export { outputShape } from "./model/problem";
export { format, parse } from "./model/shorthand";`);

const read = (text) => {
  try {
    const problem = parse(text);
    return { written: format({ ...problem, same: false }), output: outputShape(problem) };
  } catch (error) {
    return { cause: error.message };
  }
};
process.stdout.write(JSON.stringify(JSON.parse(await readFile(process.argv[2], "utf8")).map(read)));
