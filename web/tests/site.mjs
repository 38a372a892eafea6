// Opens pages of the site without a network: node site.mjs CHROMIUM FOLDER desktop|phone FILE... Prints every fault, a line each:
// messages of the console, requests to a host, violations found by axe-core, horizontal scrolling.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { relative } from "node:path";
import { pathToFileURL } from "node:url";

import { chromium } from "playwright-core";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const [executablePath, root, screen, ...files] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const context = await browser.newContext({
  viewport: screen === "phone" ? { width: 390, height: 844 } : { width: 1366, height: 768 },
  colorScheme: screen === "phone" ? "dark" : "light",
  offline: true,
});
const page = await context.newPage();
let name = "";
const fault = (what) => console.log(`${name} on the ${screen}: ${what}`);
page.on("console", (message) => fault(`the console has ${message.text()}`));
page.on("pageerror", (error) => fault(String(error)));
page.on("request", (request) => {
  if (!/^(file|data|blob|about):/.test(request.url())) fault(`it asks for ${request.url()}`);
});
for (const file of files) {
  name = relative(root, file);
  await page.goto(pathToFileURL(file).href);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) fault(`it is ${wide} pixels wider than the screen`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { iframes: false, preload: false, resultTypes: ["violations"] }));
  for (const { id, nodes } of violations) fault(`${id}: ${nodes.slice(0, 3).map(({ target }) => target.join(" ")).join(", ")} (${nodes.length})`);
}
await browser.close();
