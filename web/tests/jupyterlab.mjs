// Runs a notebook in a real JupyterLab and saves it: node jupyterlab.mjs ADDRESS CHROMIUM SCREENSHOT
// Prints what it saw as JSON. tests/explore/test_in_jupyterlab.py starts JupyterLab and this.
import { chromium } from "playwright-core";

const [address, executablePath, screenshot] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
const errors = [];
page.on("pageerror", (error) => errors.push(String(error)));

await page.goto(address);
await page.waitForFunction(() => window.jupyterapp?.shell?.currentWidget?.content?.widgets?.length);
await page.evaluate(async () => {
  const { shell, commands } = window.jupyterapp;
  await shell.currentWidget.sessionContext.ready;
  await commands.execute("notebook:run-all-cells");
});
const widget = page.locator(".jp-OutputArea-output > .lm-Widget:not(.jp-RenderedHTML)");
await widget.locator("> *").first().waitFor({ state: "attached" });
await page.waitForTimeout(1500); // for the kernel's answers
const text = await widget.innerText();
await page.screenshot({ path: screenshot });
await page.evaluate(() => window.jupyterapp.commands.execute("docmanager:save"));
console.log(JSON.stringify({ text, errors }));
await browser.close();
