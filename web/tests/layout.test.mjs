// The equation is in view, numbers can be read, and nothing jumps: in every example and mode, from a telephone to a wall.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, settled, skip } from "./page.mjs";

const SIZES = ["390x844", "768x1024", "1280x800", "1366x768", "1920x1080", "2560x1440"];
const LEAST_FONT = 11; // pixels

/** What is measured in every example and mode. */
const measured = () =>
  window.eval(`(async () => {
    const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const views = [];
    for (const example of document.querySelectorAll(".presets button")) {
      example.click();
      await drawn();
      for (const mode of document.querySelectorAll(".modes button")) {
        mode.click();
        await drawn();
        const { top, bottom, height } = document.querySelector('[aria-label="equation"]').getBoundingClientRect();
        const numbers = [...document.querySelectorAll(".stage .number")].filter((each) => each.textContent);
        views.push({
          name: example.textContent + ", " + mode.textContent,
          equation: { top, bottom, height },
          written: document.querySelector(".equation, .facts")?.innerText ?? "",
          stage: document.querySelector(".stage").getBoundingClientRect().top,
          strip: document.querySelector(".layers").offsetHeight,
          font: Math.min(...numbers.map((each) => parseFloat(getComputedStyle(each).fontSize))),
          wide: document.documentElement.scrollWidth,
        });
      }
    }
    return views;
  })()`);

for (const size of SIZES) {
  const [width, height] = size.split("x").map(Number);
  test(`the equation is in view in every example and mode, ${size}`, { skip }, () =>
    onPage({ viewport: { width, height } }, async (page) => {
      const views = await page.evaluate(measured);
      assert.ok(views.length >= 80);
      const [first] = views;
      const underStrip = views.find((view) => view.strip)?.stage; // a strip of layers moves the panes down
      for (const { name, equation, font, stage, strip, wide } of views) {
        assert.ok(equation.height >= 60 && equation.top >= 0 && equation.bottom <= height, `${name}: ${JSON.stringify(equation)}`);
        assert.ok(font >= LEAST_FONT, `${name}: numbers of ${font} pixels`); // Infinity where there are none
        assert.ok(wide <= width, `${name}: ${wide} pixels wide`);
        assert.ok(Math.abs(equation.top - first.equation.top) < 1, `${name}: the equation jumps`);
        assert.ok(Math.abs(stage - (strip ? underStrip : first.stage)) < 1, `${name}: the panes jump`);
      }
    }),
  );
}

test("on a telephone the input, the output and the equation fit one screen", { skip }, () =>
  onPage({ viewport: { width: 390, height: 844 } }, async (page) => {
    for (const example of await page.locator(".presets button").all()) {
      await example.click();
      await settled(page);
      const { bottom } = await page.locator(".pane-output .grid").evaluate((grid) => grid.getBoundingClientRect().toJSON());
      const { top } = await page.locator(".dock").evaluate((dock) => dock.getBoundingClientRect().toJSON());
      assert.ok(bottom <= top, `${await example.innerText()}: the output ends at ${bottom}, the equation starts at ${top}`);
    }
    assert.equal(await page.locator(".hint").isVisible(), false);
  }),
);

test("an error stands at the input line, and goes with the next problem", { skip }, () =>
  onPage({ viewport: { width: 390, height: 844 } }, async (page) => {
    const line = page.getByLabel("problem in shorthand");
    await line.fill("3x8x8 4@9x9");
    await line.press("Enter");
    await settled(page);
    const error = page.getByRole("alert");
    assert.match(await error.innerText(), /^3x8x8 4@9x9: /);
    const [entry, said] = [await line.boundingBox(), await error.boundingBox()];
    assert.ok(said.y - (entry.y + entry.height) < 12 && said.y < 200);
    assert.equal(await line.getAttribute("aria-invalid"), "true");
    await line.fill("3x8x8 4@3x3");
    await line.press("Enter");
    await settled(page);
    assert.equal(await error.isVisible(), false);
  }),
);

test("a sum is written in the order of its products, channel by channel, with the bias named", { skip }, () =>
  onPage({}, async (page) => {
    await page.getByRole("button", { name: "By hand" }).click();
    await settled(page);
    const lines = (await page.locator(".equation p").allInnerTexts()).map((line) => line.replaceAll(/\s+/g, " "));
    assert.equal(lines[0], "y0, 1, 2 = 2 + 0 + (−1) + bias 1 = 2");
    assert.equal(lines[1], "channel 0: 1·0 + 2·0 + 0·(−1) + 1·1 + 1·0 + 0·(−1) + 1·0 + 1·1 + 0·(−1) = 2");
    assert.equal(lines.length, 4);
  }),
);

test("the weight matrix has its numbers, and padding its zeros", { skip }, () =>
  onPage({ viewport: { width: 1280, height: 800 } }, async (page) => {
    await page.getByRole("button", { name: "By hand" }).click();
    await page.getByRole("button", { name: "Matrix", exact: true }).click();
    await settled(page);
    assert.equal(await page.locator(".pane-weight .number").count(), 2 * 27);
    const zeros = await page.locator(".pane-input .number").allTextContents();
    assert.equal(zeros.length, 3 * 7 * 7);
    assert.equal(zeros.slice(0, 7).join(""), "0000000");
  }),
);
