// Opens a page and tells what happened: node open.mjs ADDRESS CHROMIUM SCREENSHOT [offline] [frame]
// Prints its text, every request and every message of the console as JSON; with "frame" the text
// is that of the first frame inside.
import { chromium } from "playwright-core";

const [address, executablePath, path, ...how] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, offline: how.includes("offline") });
const requests = [];
const messages = [];
page.on("request", (request) => requests.push(request.url()));
page.on("console", (message) => messages.push(message.text()));
page.on("pageerror", (error) => messages.push(String(error)));

await page.goto(address);
const inside = how.includes("frame") ? page.frameLocator("iframe").first() : page;
const explorer = inside.locator("#explorer");
await explorer.locator("> *").first().waitFor({ state: "attached" });
await page.waitForTimeout(1000); // for what may still go wrong
const text = await explorer.innerText();
await page.screenshot({ path });
console.log(JSON.stringify({ text, requests, messages }));
await browser.close();
