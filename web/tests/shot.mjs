// Screenshots of a page, to be looked at: node shot.mjs ADDRESS OUT.png [width] [height] [dark|light] [steps…]
// A step is a key ("ArrowRight") or a hovered place in an element ("hover:.pane-output .grid@0.5,0.5").
import { chromium } from "playwright-core";

const [address, path, width = "1280", height = "900", colorScheme = "light", ...steps] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: Number(width), height: Number(height) }, colorScheme });
page.on("console", (message) => console.log("console:", message.text()));
page.on("pageerror", (error) => console.log("error:", error.stack));
await page.goto(address);
await page.waitForTimeout(500);
for (const step of steps) {
  const [, kind, selector, x, y] = /^(hover|click):(.*)@([\d.]+),([\d.]+)$/.exec(step) ?? [];
  if (kind) {
    const box = await page.locator(selector).first().boundingBox();
    const at = [box.x + x * box.width, box.y + y * box.height];
    await (kind === "hover" ? page.mouse.move(...at) : page.mouse.click(...at));
  } else if (step.startsWith("text:")) await page.getByText(step.slice(5), { exact: true }).first().click();
  else await page.keyboard.press(step);
  await page.waitForTimeout(120);
}
await page.screenshot({ path, fullPage: process.env.FULL === "1" });
await browser.close();
