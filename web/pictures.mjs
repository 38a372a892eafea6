// The explorer's pictures for the README: node pictures.mjs PAGE FOLDER; docs/draw_explorer.py calls it.
// Writes a PNG for each of PICTURES, and the frames of the animation: 00.png, 01.png, …
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

const [page, folder] = process.argv.slice(2);
const PICTURES = [
  { name: "explorer", colorScheme: "light", hash: "problem=1x3x32x32 1@5x5 s1 p0&preset=tutorial&mode=window&at=y,0,9,12,44&pinned=1" },
  { name: "explorer-dark", colorScheme: "dark", hash: "problem=1x3x32x32 4@3x3 s1 p1 nobias&preset=edges&mode=winograd&at=y,2,13,14&pinned=1" },
];
const WORKED = "problem=1x3x5x5 2@3x3 s2 p1 float64&preset=worked-example&mode=window";
const [FILTERS, ROWS, COLUMNS] = [2, 3, 3];

const executablePath = process.env.CHROMIUM ?? execFileSync("which", ["chromium"], { encoding: "utf8" }).trim();
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
for (const { name, colorScheme, hash } of PICTURES) {
  const tab = await open(hash, { colorScheme, viewport: { width: 1280, height: 900 }, deviceScaleFactor: 1.5 });
  await tab.screenshot({ path: `${folder}/${name}.png` });
  await tab.close();
}

let frame = 0;
const tab = await open(`${WORKED}&at=y,0,0,0`, { colorScheme: "dark", viewport: { width: 940, height: 880 } });
await tab.addStyleTag({ content: ".glassconv .player { position: static !important; }" });
const [top, bottom] = await tab.evaluate(() => [".stage", ".player"].map((name) => document.querySelector(name).getBoundingClientRect().top));
const clip = { x: 22, y: top - 14, width: 896, height: bottom - top + 10 };
for (let filter = 0; filter < FILTERS; filter++) {
  for (let place = 0; place < ROWS * COLUMNS; place++) {
    await tab.evaluate((hash) => (location.hash = hash), `${WORKED}&at=y,${filter},${Math.floor(place / COLUMNS)},${place % COLUMNS}`);
    await tab.waitForTimeout(120);
    await tab.screenshot({ path: `${folder}/${String(frame++).padStart(2, "0")}.png`, clip, fullPage: true });
  }
}
await browser.close();

async function open(hash, options) {
  const tab = await browser.newPage(options);
  await tab.goto(`${page}#${hash}`);
  await tab.locator('.stage[aria-busy="false"]').waitFor();
  await tab.waitForTimeout(300); // for the fonts
  return tab;
}
