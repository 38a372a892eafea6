// The explorer's own sources in node: a module that exports what is asked for, by paths from src/.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

export async function sources(contents) {
  const resolveDir = fileURLToPath(new URL("../src", import.meta.url));
  const built = await build({ stdin: { contents, resolveDir, loader: "ts" }, bundle: true, format: "esm", write: false });
  const code = Buffer.from(built.outputFiles[0].contents).toString("base64");
  return import(`data:text/javascript;base64,${code}`);
}
