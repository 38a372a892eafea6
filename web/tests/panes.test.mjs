// The four panes talk about one thing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, point, settled, skip, text } from "./page.mjs";

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

test("the modes are in three groups with names, and each pane has a caption", { skip }, () =>
  onPage({}, async (page) => {
    const groups = { Basics: ["Window", "Matrix", "Backward"], "Faster algorithms": ["Winograd", "FFT", "kn2row"], Machine: ["GEMM tiles", "Verify"] };
    for (const [name, modes] of Object.entries(groups)) {
      const group = page.getByRole("group", { name });
      assert.deepEqual(await group.getByRole("button").allInnerTexts(), modes);
      for (const mode of await group.getByRole("button").all()) {
        await mode.click();
        await settled(page);
        const choices = await page.locator(".choices button").all();
        for (const choice of choices.length ? choices : [mode]) {
          await choice.click();
          await settled(page);
          const without = await page.locator(".pane:not(:has(> .pane-caption)) > h2").allTextContents();
          assert.deepEqual(without, [], await mode.innerText());
        }
      }
    }
  }),
);
