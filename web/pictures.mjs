// The explorer's pictures for the README: node pictures.mjs PAGE FOLDER; docs/draw_explorer.py calls it.
// Writes a PNG for each of PICTURES, and the frames of the animation: 00.png, 01.png, …
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

const [page, folder] = process.argv.slice(2);
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const PROJECTOR = { width: 1920, height: 1080 };
// last: the number of the last output to reach, in a step of the guide
const PICTURES = [
  { name: "guide-desktop", colorScheme: "light", viewport: DESKTOP, hash: "guide=3", last: 9 },
  { name: "guide-phone", colorScheme: "dark", viewport: PHONE, deviceScaleFactor: 2, hash: "guide=2", last: 5 },
  { name: "guide-projector", colorScheme: "dark", viewport: PROJECTOR, hash: "guide=8" },
  { name: "explorer", colorScheme: "light", viewport: DESKTOP, deviceScaleFactor: 1.5, hash: "problem=1x3x32x32 1@5x5 s1 p0&preset=tutorial&mode=window&at=y,0,9,12,44&pinned=1" },
  { name: "explorer-dark", colorScheme: "dark", viewport: { width: 1280, height: 1080 }, deviceScaleFactor: 1.5, hash: "problem=1x3x32x32 4@3x3 s1 p1 nobias&preset=edges&mode=winograd&at=y,2,13,14&pinned=1" },
];
const ANIMATED = { colorScheme: "dark", viewport: { width: 840, height: 640 } };
const FRAMES = 9; // outputs of the step that is animated

const executablePath = process.env.CHROMIUM ?? execFileSync("which", ["chromium"], { encoding: "utf8" }).trim();
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
for (const { name, hash, last = 1, ...options } of PICTURES) {
  const tab = await open(hash, options);
  for (let output = 1; output < last; output++) await next(tab);
  await tab.screenshot({ path: `${folder}/${name}.png` });
  await tab.close();
}

const tab = await open("guide=3", ANIMATED);
for (let frame = 0; frame < FRAMES; frame++) {
  if (frame) await next(tab);
  await tab.screenshot({ path: `${folder}/${String(frame).padStart(2, "0")}.png` });
}
await browser.close();

async function open(hash, options) {
  const tab = await browser.newPage(options);
  await tab.goto(`${page}#${hash}`);
  await tab.locator(".stage > *").first().waitFor();
  await tab.waitForFunction(() => document.querySelector(".stage").ariaBusy !== "true");
  await tab.waitForTimeout(600); // for the fonts and what fades in
  return tab;
}

/** Goes to the next output, and waits until its number has faded in. */
async function next(tab) {
  await tab.keyboard.press("ArrowRight");
  await tab.waitForTimeout(500);
}
