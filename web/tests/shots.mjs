// Many screenshots in one browser: node shots.mjs ADDRESS FOLDER NAME:WIDTHxHEIGHT:THEME:HASH…
import { chromium } from "playwright-core";

const [address, folder, ...wanted] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const each of wanted) {
  const [, name, width, height, colorScheme, hash] = /^(\w+):(\d+)x(\d+):(\w+):(.*)$/.exec(each);
  const page = await browser.newPage({ viewport: { width: Number(width), height: Number(height) }, colorScheme });
  page.on("console", (message) => console.log(name, "console:", message.text()));
  page.on("pageerror", (error) => console.log(name, "error:", error.stack));
  await page.goto(`${address}#${hash}`);
  await page.waitForTimeout(600);
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: process.env.FULL === "1" });
  await page.close();
}
await browser.close();
