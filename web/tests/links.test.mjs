// Everything links to everything: a cell of any pane becomes marks in all of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, point, press, rectangles, skip, text } from "./page.mjs";

const SMALL = [{ problem: "1x2x6x6 3@3x3 s1 p1 nobias" }]; // 6 × 6 outputs, k = 18
const marks = async (page, pane, role) => rectangles(page, `.pane-${pane} .mark.${role}`);

test("an output cell: its window in every channel, its column, its filter", { skip }, () =>
  onPage({ hash: "#at=y,1,2,3" }, async (page) => {
    assert.equal((await marks(page, "input", "window")).length, 2);
    assert.equal((await marks(page, "columns", "window")).length, 1);
    assert.equal((await marks(page, "weight", "window")).length, 2);
    assert.equal((await marks(page, "output", "window")).length, 1);
    assert.match(await text(page, ".sentence"), /18 products/);
  }, SMALL),
);

test("an input pixel: every output that uses it and every copy in the matrix", { skip }, () =>
  onPage({ hash: "#at=x,1,2,2" }, async (page) => {
    assert.equal((await marks(page, "columns", "use")).length, 9);
    assert.equal((await marks(page, "output", "use")).length, 27); // 9 of each of 3 filters
    assert.equal((await marks(page, "weight", "use")).length, 27);
    assert.match(await text(page, ".sentence"), /9 windows read it \(3 down × 3 across\)/);
  }, SMALL),
);

test("a weight: all pixels it meets, its row of the matrix, every output of its filter", { skip }, () =>
  onPage({ hash: "#at=w,2,4" }, async (page) => {
    assert.equal((await marks(page, "input", "use")).length, 36);
    const [row] = await marks(page, "columns", "window");
    const grid = await page.locator(".pane-columns .grid").boundingBox();
    assert.ok(Math.abs(row.width - grid.width) < 4);
    assert.equal((await marks(page, "output", "window")).length, 1);
    assert.match(await text(page, ".sentence"), /used 36 times/);
  }, SMALL),
);

test("a matrix cell: its pixel and its output", { skip }, () =>
  onPage({}, async (page) => {
    await point(page, ".pane-columns .grid", 0.5 / 36 + 7 / 36, 4.5 / 18); // row 4, column 7: output (1, 1), tap (1, 1)
    assert.match(await text(page, ".sentence"), /Product 4: x\s*0, 1, 1/);
    for (const pane of ["input", "columns", "weight"]) assert.equal((await marks(page, pane, "tap")).length, 1);
    assert.equal((await marks(page, "output", "window")).length, 1);
  }, SMALL),
);

test("pointing at each pane makes its cell the focus", { skip }, () =>
  onPage({}, async (page) => {
    await point(page, ".pane-input .grid", 0.25, 0.5);
    assert.match(await text(page, ".sentence"), /^x/);
    await point(page, ".pane-weight .grid", 0.5, 0.5);
    assert.match(await text(page, ".sentence"), /^w/);
    await point(page, ".pane-output .grid", 0.1, 0.1);
    assert.match(await text(page, ".sentence"), /^y/);
  }),
);

test("a click pins and Esc frees", { skip }, () =>
  onPage({}, async (page) => {
    await point(page, ".pane-output .grid", 0.5, 0.5, true);
    const pinned = await text(page, ".sentence .named");
    await point(page, ".pane-output .grid", 0.1, 0.1);
    assert.equal(await text(page, ".sentence .named"), pinned);
    await press(page, "Escape");
    await point(page, ".pane-output .grid", 0.2, 0.2);
    assert.notEqual(await text(page, ".sentence .named"), pinned);
  }),
);

test("dilation leaves holes: nine taps are marked in a window of seven by seven", { skip }, () =>
  onPage({ hash: "#at=y,0,0,0" }, async (page) => {
    assert.equal((await marks(page, "input", "read")).length, 9);
    const [window] = await marks(page, "input", "window");
    const [tap] = await marks(page, "input", "read");
    assert.ok(Math.abs((window.width - 2) / tap.width - 7) < 0.05);
  }, [{ problem: "1x1x12x12 1@3x3 s1 p0 d3" }]),
);

test("a channel of a group is linked to the filters of that group only", { skip }, () =>
  onPage({ hash: "#at=x,3,4,4" }, async (page) => {
    assert.equal((await marks(page, "output", "use")).length, 2 * 9);
    assert.ok((await page.locator(".pane-input .band").count()) === 4);
  }, [{ problem: "1x4x8x8 4@3x3 s1 p1 g2" }]),
);
