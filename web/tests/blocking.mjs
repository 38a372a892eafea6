// The blocks that the explorer draws: node blocking.mjs CASES.json, each case { problem, target }.
import { readFile } from "node:fs/promises";
import { sources } from "./sources.mjs";

const { blocking, parse, TARGETS } = await sources(`
export { TARGETS } from "./model/constants";
export { blocking } from "./numerics/blocking";
export { parse } from "./model/shorthand";`);

const cases = JSON.parse(await readFile(process.argv[2], "utf8"));
const answers = cases.map(({ problem, target }) => {
  const { heights, ...blocks } = blocking(parse(problem), TARGETS.find(({ name }) => name === target));
  return blocks;
});
process.stdout.write(JSON.stringify({ answers, targets: TARGETS }));
