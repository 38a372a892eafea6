// Computes strips that Python wrote, with the explorer's own sources: node chain.mjs CASES.json
// A case is { layers, input, numbers: [{ weight, bias } or null of each layer], at: [row, column] of the last output };
// prints each layer's output, and what the output at `at` depends on of the input and its
// receptive field: [[first, last], [first, last]].
import { readFile } from "node:fs/promises";
import { sources } from "./sources.mjs";

const { Chain, decode, encode, fieldsInside, readLayers, receptiveField } = await sources(`
export { readLayers } from "./model/layers";
export { decode, encode } from "./model/tensors";
export { Chain } from "./numerics/chain";
export { fieldsInside, receptiveField } from "./numerics/receptive_field";`);

const answers = JSON.parse(await readFile(process.argv[2], "utf8")).map(({ layers: text, input, numbers, at }) => {
  const layers = readLayers(text).map((layer, place) => {
    const own = numbers[place];
    return own ? { ...layer, weight: decode(own.weight), bias: own.bias && decode(own.bias) } : layer;
  });
  const chain = new Chain(layers, { name: "", resampled: false, rgb: false, input: decode(input) });
  const outputs = layers.map((_, place) => chain.outputOf(place)).map(({ shape, values }) => encode(shape, values));
  const problems = chain.layers.map(({ problem }) => problem);
  const spans = (field) => field.map(({ first, last }) => [first, last]);
  return { outputs, inside: spans(fieldsInside(problems, at)[0]), field: spans(receptiveField(problems, at)) };
});
process.stdout.write(JSON.stringify(answers));
