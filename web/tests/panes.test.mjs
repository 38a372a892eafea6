// The four panes talk about one thing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, point, skip, text } from "./page.mjs";

test("an output cell shows its window, its column, its row and its sum", { skip }, () =>
  onPage({}, async (page) => {
    assert.equal(await page.locator(".pane").count(), 4);
    await point(page, ".pane-output .grid", 0.5, 0.5);
    assert.match(await text(page, ".sentence"), /y\s*0, 14, 14/);
    for (const pane of ["input", "columns", "weight", "output"]) {
      assert.match(await page.locator(`.pane-${pane} .mark.window`).getAttribute("d"), /^M/);
    }
  }),
);
