// GEMM tiles: where the kernel is when it makes the output in focus, and what its registers hold.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, point, press, rectangles, settled, skip, text } from "./page.mjs";

const at = (problem, focus, more = "") => ({ hash: `#problem=${problem}&mode=tiles&at=${focus}${more}` });
const ones = (shape) => ({ shape, dtype: "float32", data: Buffer.from(new Float32Array(shape.reduce((product, size) => product * size)).fill(1).buffer).toString("base64") });

test("the register tile holds the sums up to the product in focus", { skip }, () =>
  onPage(at("1x1x10x10 8@3x3 s1 p0 nobias", "y,2,3,4,4"), async (page) => {
    const sums = await page.locator(".pane-registers .grid").nth(2).locator("text").allTextContents();
    assert.deepEqual([...new Set(sums)], ["5"]); // of ones, products 0 to 4
    assert.equal(sums.length, 6 * 16);
    assert.match(await text(page, ".sentence"), /After product 5 of 9, y2, 3, 4 is 5\./);
    await press(page, "Shift+ArrowRight");
    assert.match(await text(page, ".sentence"), /After product 6 of 9, y2, 3, 4 is 6\./);
  }, [{ problem: "1x1x10x10 8@3x3 s1 p0 nobias", input: ones([1, 1, 10, 10]), weight: ones([8, 1, 3, 3]) }]),
);

test("the tile walks over the output matrix, and its panel over the columns", { skip }, () =>
  onPage(at("1x2x9x9 13@3x3 s1 p1", "y,0,0,0"), async (page) => {
    const [first] = await rectangles(page, ".pane-output .mark.window");
    for (let step = 0; step < 16; step++) await press(page, "ArrowRight");
    const [next] = await rectangles(page, ".pane-output .mark.window");
    assert.ok(next.x > first.x && next.y === first.y);
    for (let step = 0; step < 6; step++) await press(page, "]");
    const [below] = await rectangles(page, ".pane-output .mark.window");
    assert.ok(below.y > next.y && below.x === next.x);
    const [panel] = await rectangles(page, ".pane-columns .mark.window");
    const [tap] = await rectangles(page, ".pane-columns .mark.tap");
    assert.ok(panel.x - 1 < tap.x && Math.abs(panel.width - tap.width) < 3);
  }),
);

test("a sum in the tile leads to its output, a weight of the matrix to its step", { skip }, () =>
  onPage(at("1x2x8x8 8@3x3 s1 p1", "y,0,0,0"), async (page) => {
    await point(page, ".pane-registers .grid >> nth=2", 0.97, 0.9, true);
    assert.match(await text(page, ".sentence"), /y5, 1, 7/);
    await point(page, ".pane-weight .grid", 0.5, 0.05, true);
    await settled(page);
    assert.match(await text(page, ".sentence"), /After product (9|10) of 18/);
  }),
);

test("each processor has its own tile", { skip }, async () => {
  for (const [choice, shape, registers] of [["avx2", "6 × 2", "15 of 16"], ["avx512", "12 × 2", "27 of 32"], ["neon", "12 × 2", "27 of 32"]]) {
    await onPage(at("1x4x9x9 12@3x3 s1 p1", "y,0,0,0", `&choice=${choice}`), async (page) => {
      assert.match(await text(page, ".pane-registers h2"), new RegExp(shape));
      assert.match(await text(page, ".levels .held"), new RegExp(registers));
    });
  }
});
