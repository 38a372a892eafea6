// ?embed: the explorer inside another page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, skip } from "./page.mjs";

for (const [colorScheme, problem] of [["light", "1x1x5x5 1@3x3 s1 p0"], ["dark", "1x3x32x32 1@5x5 s1 p0"]]) {
  for (const mode of ["window", "matrix"]) {
    test(`embedded in 640 × 400, ${mode} of ${problem}: stage, equation and player, and nothing else`, { skip }, () =>
      onPage({ query: "?embed", hash: `#mode=${mode}&problem=${problem}`, colorScheme, viewport: { width: 640, height: 400 } }, async (page) => {
        for (const hidden of ["header", ".side", ".hint"]) assert.equal(await page.locator(hidden).first().isVisible(), false, hidden);
        const [tall, seen] = await page.evaluate(() => [document.documentElement.scrollHeight, innerHeight]);
        assert.ok(tall <= seen, `${tall} > ${seen}`);
        const boxes = await Promise.all([".stage", ".sentence", ".player"].map((each) => page.locator(each).first().boundingBox()));
        for (const [place, box] of boxes.entries()) {
          assert.ok(box.height > 20 && box.y >= 0 && box.y + box.height <= 401, JSON.stringify(box));
          if (place) assert.ok(box.y >= boxes[place - 1].y + boxes[place - 1].height - 1);
        }
        const output = await page.locator(".pane-output .grid").first().boundingBox();
        assert.ok(output.y + output.height <= boxes[1].y, JSON.stringify(output));
        const result = await page.locator(".equation strong").first().boundingBox(); // the rest of a long equation is scrolled
        assert.ok(result.y >= boxes[1].y && result.y + result.height <= boxes[1].y + boxes[1].height, JSON.stringify(result));
        assert.equal(await page.locator(".glassconv").evaluate((root) => getComputedStyle(root).backgroundColor), "rgba(0, 0, 0, 0)");
        assert.equal(await page.locator(".glassconv").getAttribute("data-theme"), colorScheme);
      }),
    );
  }
}
