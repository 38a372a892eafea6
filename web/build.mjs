// Writes the explorer as one minified ES module, src/glassconv/explore/explorer.js, which is committed.
// node build.mjs          builds
// node build.mjs --check  builds aside and fails where the committed file differs
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const bundle = fileURLToPath(new URL("../src/glassconv/explore/explorer.js", import.meta.url));
const { outputFiles } = await build({
  absWorkingDir: fileURLToPath(new URL(".", import.meta.url)),
  entryPoints: ["src/index.ts"],
  bundle: true,
  minify: true,
  charset: "utf8",
  format: "esm",
  target: "es2022",
  loader: { ".css": "text" },
  legalComments: "none",
  write: false,
});
const built = outputFiles[0].text;
if (/<\/script|<!--/i.test(built)) throw new Error("the bundle could not stand inside a page");

if (process.argv.includes("--check")) {
  if (built !== (await readFile(bundle, "utf8"))) {
    console.error("explorer.js is not what web/src says: npm run build, and commit it");
    process.exit(1);
  }
} else {
  await writeFile(bundle, built);
  console.log(`${bundle}: ${(built.length / 1000).toFixed(1)} kB`);
}
