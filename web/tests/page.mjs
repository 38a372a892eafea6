// What the tests share: a page made of the bundle and a report, in Debian's Chromium.
import { readFile } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

const bundle = await readFile(new URL("../../src/glassconv/explore/explorer.js", import.meta.url), "utf8");

export const executablePath = (() => {
  try {
    return execFileSync("which", ["chromium"], { encoding: "utf8" }).trim();
  } catch {
    return null;
  }
})();
export const skip = executablePath ? false : "needs chromium, which is not installed";

/** A page that shows one or more reports; python: a function that answers what the page sends. */
export async function pageOf(reports, { owns = true, python = null, css = "" } = {}) {
  const code = bundle.replace(/export\{([\w$]+) as default\};?\s*$/, "return $1");
  const hosts = reports.map((_, place) => `<main id="explorer-${place}"></main>`).join("");
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>glassconv</title>
<meta name="viewport" content="width=device-width"><style>body{margin:0}${css}</style>${hosts}
<script type="module">
const explorer = (() => {${code}})();
window.leave = ${JSON.stringify(reports)}.map((report, place) => {
  const listeners = new Set();
  const python = ${python};
  const model = {
    get: (name) => ({ report, page: ${owns}, remote: python !== null })[name],
    on: (event, listener) => listeners.add(listener),
    off: (event, listener) => listeners.delete(listener),
    send: (message) => listeners.forEach((listener) => listener({ id: message.id, ...python(message) })),
  };
  return explorer.render({ model, el: document.getElementById("explorer-" + place) });
});
</script></html>`;
}

const stopped = new WeakSet(); // the pages whose clock is stopped

/**
 * Runs a test on a page; any error on it, or message in its console, fails the test.
 * clock: "stopped" once the page is open, for a test of what moves with time; there time passes only in `pass`, and in
 * `settled`, so that the test does not depend on the machine's speed.
 */
export async function onPage(options, test, reports = [{}]) {
  const { hash = "", query = "", owns = true, python = null, css = "", clock = "running", ...context } = options;
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...context });
    const wrong = [];
    page.on("console", (message) => wrong.push(message.text()));
    page.on("pageerror", (error) => wrong.push(String(error.stack)));
    const html = await pageOf(reports, { owns, python, css });
    await page.route(/^https:..glassconv.test/, (route) => route.fulfill({ contentType: "text/html", body: html }));
    if (clock === "stopped") await page.clock.install();
    await page.goto(`https://glassconv.test/${query}${hash}`);
    await page.locator(css ? ".stage" : ".stage > *").first().waitFor({ state: "attached" });
    if (clock === "stopped") {
      await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 60_000);
      stopped.add(page);
    }
    await test(page);
    if (wrong.length) throw new Error(wrong.join("\n"));
  } finally {
    await browser.close();
  }
}

/** Points at a place of an element, in shares of its width and height. */
export async function point(page, selector, x, y, click = false) {
  const box = await page.locator(selector).first().boundingBox();
  const at = [box.x + x * box.width, box.y + y * box.height];
  await (click ? page.mouse.click(...at) : page.mouse.move(...at));
  await settled(page);
}

/** Waits until what changed has been drawn: for two frames. */
export const settled = (page) =>
  stopped.has(page) ? pass(page, 40) : page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

/** Lets time pass on a page whose clock is stopped. */
export const pass = (page, milliseconds) => page.clock.runFor(milliseconds);

export const text = (page, selector) => page.locator(selector).first().innerText();

export async function press(page, ...keys) {
  for (const key of keys) await page.keyboard.press(key);
  await settled(page);
}

/** The rectangles that a path of marks is made of. */
export async function rectangles(page, selector) {
  const path = (await page.locator(selector).first().getAttribute("d")) ?? "";
  return [...path.matchAll(/M([\d.-]+) ([\d.-]+)h([\d.-]+)v([\d.-]+)/g)].map(([, x, y, width, height]) => ({
    x: Number(x),
    y: Number(y),
    width: Number(width),
    height: Number(height),
  }));
}
