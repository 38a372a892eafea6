// Switches the site's theme: node site_theme.mjs CHROMIUM FOLDER. Prints the theme of the framed explorer, light and dark.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { chromium } from "playwright-core";

const [executablePath, root] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage({ offline: true, colorScheme: "light" });
await page.goto(pathToFileURL(join(root, "index.html")).href);
const explorer = page.frameLocator("iframe.explorer").locator(".glassconv");
await explorer.waitFor();
const theme = () => explorer.evaluate(() => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
console.log(await theme());
for (let turn = 0; turn < 3 && (await page.locator("body").getAttribute("data-theme")) !== "dark"; turn += 1) {
  await page.locator(".theme-toggle-content .theme-toggle").click();
}
await page.waitForTimeout(500);
console.log(await theme());
await browser.close();
