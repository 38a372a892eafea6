// kn2row: a picture for each tap, what an output takes of it, and how the pictures add up.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, point, press, rectangles, skip, text } from "./page.mjs";

const WORKED = "#preset=worked-example&problem=1x3x5x5 2@3x3 s2 p1 float64&mode=kn2row";
const numbers = async (page, pane) => (await page.locator(`.pane-${pane} .number`).allTextContents()).map((written) => Number(written.replace("−", "-")));

test("the pictures add up to the worked example's output", { skip }, () =>
  onPage({ hash: `${WORKED}&at=y,0,1,1` }, async (page) => {
    assert.deepEqual(await numbers(page, "sums"), [1, -3, 6, -2, -5, 2, 0, 0, 3]);
    assert.match(await text(page, ".pane-sums h2"), /Shifted and added: all 9, and the bias/);
    assert.match(await text(page, ".sentence"), /= −5\n/);
    const pictures = await numbers(page, "tap-convolutions");
    assert.equal(pictures.length, 9 * 25);
    await press(page, "["); // the other filter, around
    assert.deepEqual(await numbers(page, "sums"), [0, -5, 1, -1, -3, -3, -2, -1, 1]);
    assert.notDeepEqual(await numbers(page, "tap-convolutions"), pictures);
  }),
);

test("up to the tap in focus", { skip }, () =>
  onPage({ hash: `${WORKED}&at=y,0,1,1,0` }, async (page) => {
    assert.match(await text(page, ".pane-sums h2"), /1 of 9/);
    const first = await numbers(page, "sums");
    const [picture] = await rectangles(page, ".pane-tap-convolutions .mark.read");
    for (let step = 0; step < 8; step++) await press(page, "Shift+ArrowRight");
    assert.match(await text(page, ".pane-sums h2"), /all 9/);
    assert.notDeepEqual(await numbers(page, "sums"), first);
    const [last] = await rectangles(page, ".pane-tap-convolutions .mark.read");
    assert.ok(last.x > picture.x && last.y > picture.y);
  }),
);

test("an output takes one pixel of each picture, on padding none", { skip }, () =>
  onPage({ hash: "#problem=1x2x6x6 2@3x3 s1 p1&mode=kn2row&at=y,0,2,2" }, async (page) => {
    assert.equal((await rectangles(page, ".pane-tap-convolutions .mark.window")).length, 9);
    await point(page, ".pane-sums .grid", 0.05, 0.05, true);
    assert.equal((await rectangles(page, ".pane-tap-convolutions .mark.window")).length, 4);
    assert.match(await text(page, ".sentence"), /^y0, 0, 0 = /);
  }),
);

test("a pixel of a picture leads to the output that takes it", { skip }, () =>
  onPage({ hash: "#problem=1x1x6x6 1@1x2 s1 p0&mode=kn2row&at=y,0,0,0" }, async (page) => {
    await point(page, ".pane-tap-convolutions .grid", 0.98, 0.98, true); // the second tap's last pixel
    assert.match(await text(page, ".sentence"), /^y0, 5, 4 = /);
    await point(page, ".pane-tap-convolutions .grid", 0.02, 0.98, true); // the first tap's
    assert.match(await text(page, ".sentence"), /^y0, 5, 0 = /);
  }),
);
