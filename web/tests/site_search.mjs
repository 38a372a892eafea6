// Searches the site from a file: node site_search.mjs CHROMIUM FOLDER WORDS. Prints the titles that it finds.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { chromium } from "playwright-core";

const [executablePath, root, words] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage({ offline: true });
await page.goto(pathToFileURL(join(root, "index.html")).href);
await page.getByRole("textbox", { name: "Search" }).fill(words);
await page.keyboard.press("Enter");
await page.locator("ul.search > li").first().waitFor();
await page.getByText("Search finished").waitFor();
console.log((await page.locator("ul.search > li > a").allInnerTexts()).join("; "));
await browser.close();
