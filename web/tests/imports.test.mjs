// Imports of web/src point one way: each folder imports itself and the folders below it, and nothing imports the top.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path/posix";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../src/", import.meta.url));
const LADDER = ["model", "numerics", "drawing", "panes", "modes", "guide"]; // lowest first
const SHARED = ["constants.json", "style.css"]; // anyone may import them

const level = (path) => (path.includes("/") ? LADDER.indexOf(path.split("/")[0]) : LADDER.length);

/** The files of web/src, each with what it imports, as paths from web/src. */
async function imports() {
  const files = (await readdir(source, { recursive: true })).filter((path) => /\.ts$/.test(path) && !path.endsWith(".d.ts"));
  const all = [];
  for (const file of files) {
    const text = await readFile(join(source, file), "utf8");
    for (const [, path] of text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)) all.push({ file, path });
  }
  return { files, all };
}

test("every file is in a known folder, and few are at the top", async () => {
  const { files } = await imports();
  for (const file of files) assert.notEqual(level(file), -1, `${file} is in none of ${LADDER.join(", ")}`);
  const top = (await readdir(source, { withFileTypes: true })).filter((entry) => entry.isFile());
  assert.ok(top.length <= 7, top.map(({ name }) => name).join(", "));
});

test("each folder imports only itself and the folders below it", async () => {
  const { all } = await imports();
  assert.ok(all.length > 100, `only ${all.length} imports were read`);
  const wrong = [];
  for (const { file, path } of all) {
    if (!path.startsWith(".")) wrong.push(`${file} imports the package ${path}`);
    const imported = normalize(join(dirname(file), path));
    if (!SHARED.includes(imported) && level(imported) > level(file)) wrong.push(`${file} imports ${imported}`);
  }
  assert.deepEqual(wrong, []);
});

test("no two files import each other, however far apart", async () => {
  const { files, all } = await imports();
  const modules = new Set(files.map((file) => file.slice(0, -".ts".length)));
  const found = (file, path) => {
    const at = normalize(join(dirname(file), path));
    return modules.has(at) ? at : modules.has(`${at}/index`) ? `${at}/index` : null;
  };
  const graph = new Map([...modules].map((name) => [name, []]));
  for (const { file, path } of all) {
    const imported = found(file, path);
    if (imported) graph.get(file.slice(0, -".ts".length)).push(imported);
    else assert.match(path, /\.(css|json)$/, `${file} imports ${path}, which does not exist`);
  }
  const done = new Set();
  const visit = (name, path) => {
    const start = path.indexOf(name);
    assert.equal(start, -1, `a cycle: ${[...path.slice(start), name].join(" → ")}`);
    if (done.has(name)) return;
    for (const next of graph.get(name)) visit(next, [...path, name]);
    done.add(name);
  };
  for (const name of modules) visit(name, []);
});
