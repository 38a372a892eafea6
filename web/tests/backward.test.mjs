// Backward: what sends a gradient where, and what a pixel and a weight gather.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, point, press, rectangles, skip, text } from "./page.mjs";

const at = (problem, focus, more = "") => ({ hash: `#problem=${problem}&mode=backward&at=${focus}${more}` });

test("an output's gradient goes back to its window, in every channel", { skip }, () =>
  onPage(at("1x2x8x8 2@3x3 s1 p0", "y,1,2,3"), async (page) => {
    assert.equal((await rectangles(page, ".pane-output .mark.use")).length, 2 * 9);
    assert.match(await text(page, ".sentence"), /^g1, 2, 3 = .*\n+It goes back to the 18 pixels of its window/);
    await press(page, "ArrowRight");
    assert.match(await text(page, ".sentence"), /^g1, 2, 4 = /);
  }),
);

test("a pixel gathers from every output that used it", { skip }, () =>
  onPage(at("1x1x8x8 1@3x3 s2 p1", "y,0,0,0"), async (page) => {
    await point(page, ".pane-output .grid", 0.44, 0.31, true); // row 2, column 3
    assert.match(await text(page, ".sentence"), /^∂x0, 2, 3 = /);
    assert.match(await page.evaluate(() => new Promise((done) => setTimeout(() => done(location.hash), 400))), /at=x,0,2,3/);
    assert.match(await text(page, ".pane-input h2"), /^grad_output, zeros between/);
    const told = Number(/= (−?[\d.]+)\n/.exec(await text(page, ".sentence"))[1].replace("−", "-"));
    const cell = (await page.locator(".pane-output .number").allTextContents())[2 * 8 + 3];
    assert.ok(Math.abs(Number(cell.replace("−", "-")) - told) < 0.006, `${cell} and ${told}`);
  }),
);

test("a weight gathers its pixel times every output's gradient", { skip }, () =>
  onPage(at("1x4x7x7 4@3x3 s1 p1 g2", "w,3,13", "&choice=weight"), async (page) => {
    assert.match(await text(page, ".sentence"), /^∂w3, 1, 1, 1 = /); // channel 1 of its group, the middle tap
    assert.match(await text(page, ".sentence"), /49 products/);
    assert.equal(await page.locator(".pane-output .plane-label").first().textContent(), "f = 2");
    await point(page, ".pane-weight .grid", 0.02, 0.1, true);
    assert.match(await text(page, ".sentence"), /^g2, 0, 0 = .*\n+Every weight of filter 2/);
    const [plane, ...others] = await rectangles(page, ".pane-output .mark.window");
    assert.ok(plane.width > 2 * 3 && others.length === 0);
    await point(page, ".pane-output .grid", 0.9, 0.9, true);
    assert.match(await text(page, ".sentence"), /^∂w3, 1, 2, 2 = /);
  }),
);

test("zeros between gradients stand for nothing", { skip }, () =>
  onPage(at("1x1x9x9 1@3x3 s2 p0", "y,0,1,1"), async (page) => {
    const before = await text(page, ".sentence");
    const [mark] = await rectangles(page, ".pane-input .mark.window");
    const box = await page.locator(".pane-input .grid").boundingBox();
    await point(page, ".pane-input .grid", (mark.x + mark.width * 1.5) / box.width, (mark.y + mark.height / 2) / box.height, true);
    assert.equal(await text(page, ".sentence"), before);
  }),
);
