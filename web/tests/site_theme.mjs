// Switches the site's theme: node site_theme.mjs CHROMIUM FOLDER. Prints the framed explorer's background in light and in dark.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { chromium } from "playwright-core";

const [executablePath, root] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage({ offline: true, colorScheme: "light" });
await page.goto(pathToFileURL(join(root, "index.html")).href);
const explorer = page.frameLocator("iframe.explorer").locator(".glassconv");
await explorer.waitFor();
const light = await explorer.evaluate((root) => getComputedStyle(root).backgroundColor);
for (let turn = 0; turn < 3 && (await page.locator("body").getAttribute("data-theme")) !== "dark"; turn += 1) {
  await page.locator(".theme-toggle-content .theme-toggle").click();
}
const background = await explorer.evaluateHandle((root, before) =>
  new Promise((resolve) => {
    const look = () => {
      const now = getComputedStyle(root).backgroundColor;
      if (now === before) requestAnimationFrame(look);
      else resolve(now);
    };
    look();
  }), light);
console.log(light, await background.jsonValue());
await browser.close();
