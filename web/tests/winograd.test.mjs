// Winograd: one tile on its way from pixels to outputs, and what it saves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, point, press, rectangles, settled, skip, text } from "./page.mjs";
import { sources } from "./sources.mjs";

const SMALL = [{ problem: "1x2x6x6 3@3x3 s1 p1" }]; // 3 × 3 tiles of 2 × 2 outputs
const marks = (page, pane, role) => rectangles(page, `.pane-${pane} .mark.${role}`);
const numbers = async (page, pane) =>
  (await page.locator(`.pane-${pane} .number`).allTextContents()).map((written) => Number(written.replace("−", "-")));

const { cookToom, fraction, multiplications, parse } = await sources(`
export { cookToom } from "./numerics/algorithms/cook_toom";
export { multiplications } from "./numerics/algorithms/winograd";
export { fraction } from "./drawing/numbers";
export { parse } from "./model/shorthand";`);

test("the matrices are Cook and Toom's, from Python's points", () => {
  assert.deepEqual(cookToom(2, 3).input.map((row) => row.map(fraction).join(" ")), ["1 0 −1 0", "0 1 1 0", "0 −1 1 0", "0 1 0 −1"]);
  assert.deepEqual(cookToom(2, 3).filter[1].map(fraction), ["1/2", "1/2", "1/2"]);
  assert.deepEqual(cookToom(4, 3).filter[1].map(fraction), ["−128/243", "−32/81", "−8/27"]);
  assert.deepEqual(cookToom(1, 1), { output: [[1]], filter: [[1]], input: [[1]] });
});

test("multiplications are counted as Python's cost counts them", () => {
  const problem = parse("1x64x56x56 64@3x3 s1 p1");
  for (const [outputs, cost] of [[2, 51552256], [4, 33294336], [6, 31684608]]) {
    const { products, constants, definition } = multiplications(problem, outputs);
    assert.equal(products + constants, cost); // named("winograd4").cost(problem).multiplications
    assert.equal(definition, 64 * 64 * 9 * 56 * 56);
  }
});

test("an output: its tile, the window in it, the products that make it", { skip }, () =>
  onPage({ hash: "#mode=winograd&at=y,1,2,3" }, async (page) => {
    assert.equal(await page.locator(".pane").count(), 9);
    assert.deepEqual([await page.locator(".pane-d .number").count(), await page.locator(".pane-Y .number").count()], [16, 4]);
    const [window] = await marks(page, "d", "read");
    const [one] = await marks(page, "Y", "window");
    const cell = one.width - 2;
    assert.deepEqual([window.x, window.y, window.width].map((size) => Math.round(size / cell)), [1, 0, 3]);
    const [products] = await marks(page, "M", "read");
    assert.deepEqual([products.x, products.y, products.width, products.height].map((size) => Math.round(size / cell)), [1, 0, 3, 3]);
    assert.match(await text(page, ".sentence"), /y\s*1, 2, 3/);
    assert.match(await text(page, ".sentence"), /9 of the tile’s 16 products/);
    assert.match(await text(page, ".sentence"), /16 multiplications instead of 36/);
    const said = await page.locator(".sentence .equation strong").innerText();
    await page.locator(".modes button[data-name=window]").click();
    await settled(page);
    assert.ok(Math.abs(Number(said.replace("−", "-")) - Number((await text(page, ".sentence .equation strong")).replace("−", "-"))) < 1e-5);
  }, SMALL),
);

test("V, U and M are what the matrices make", { skip }, () =>
  onPage({ hash: "#mode=winograd&at=y,0,0,0" }, async (page) => {
    const close = (one, other) => assert.ok(Math.abs(one - other) < 0.03, `${one} and ${other}`);
    const [d, v, g, u, m, y] = await Promise.all(["d", "V", "g", "U", "M", "Y"].map((pane) => numbers(page, pane)));
    close(v[5], d[5] + d[6] + d[9] + d[10]);
    close(u[15], g[8]);
    close(m[5], v[5] * u[5]);
    close(y[0], [0, 1, 2, 4, 5, 6, 8, 9, 10].reduce((sum, place) => sum + m[place], 0));
  }, [{ problem: "1x1x4x4 1@3x3 s1 p0 nobias" }]),
);

test("an element of V: what it is made of and what it makes", { skip }, () =>
  onPage({ hash: "#mode=winograd&at=y,0,2,2" }, async (page) => {
    await point(page, ".pane-V .grid", 1.5 / 4, 1.5 / 4);
    for (const pane of ["V", "U", "M"]) assert.equal((await marks(page, pane, "tap")).length, 1);
    assert.equal((await marks(page, "d", "use")).length, 1); // two rows and two columns of neighbours
    assert.equal((await marks(page, "g", "use")).length, 1);
    assert.match(await text(page, ".caption"), /Element 1, 1: V · U = .*; over 2 channels that sums to M = /);
    await point(page, ".pane-output .grid", 0.1, 0.5);
    assert.equal((await marks(page, "V", "tap")).length, 0);
    await page.locator(".pane-M .grid").focus();
    await press(page, "ArrowRight");
    assert.match(await text(page, ".caption"), /Element 0, 1/);
  }, SMALL),
);

test("cells of the tile, the filter and the output tile are pixels, weights and outputs", { skip }, () =>
  onPage({ hash: "#mode=winograd&at=y,2,2,2", viewport: { width: 1280, height: 1300 } }, async (page) => {
    await point(page, ".pane-Y .grid", 0.75, 0.75);
    assert.match(await text(page, ".sentence"), /y\s*2, 3, 3/);
    await point(page, ".pane-d .grid", 0.9, 0.9);
    assert.match(await text(page, ".sentence"), /x\s*0, 4, 4/);
    assert.match(await text(page, ".sentence"), /4 tiles contain it \(2 down × 2 across\)/);
    assert.ok((await marks(page, "V", "use")).length > 0);
    await point(page, ".pane-g .grid", 0.5, 0.5);
    assert.match(await text(page, ".sentence"), /w\s*2, 0, 1, 1/); // still of the same filter
    assert.match(await text(page, ".sentence"), /computed once for all 9 tiles/);
    await point(page, ".pane-padded .grid", 0.5, 0.05);
    assert.match(await text(page, ".sentence"), /w\s*2/); // padding is no pixel
    await page.locator(".pane-channels .grid").click({ position: { x: 150, y: 60 } });
    await settled(page);
    assert.match(await text(page, ".caption"), /Channel 1 is drawn/);
  }, SMALL),
);

test("a choice of larger tiles saves more multiplications and costs more constants", { skip }, () =>
  onPage({ hash: "#mode=winograd" }, async (page) => {
    await page.locator(".choices button[data-name=winograd4]").click();
    await settled(page);
    assert.match(await text(page, ".sentence"), /36 multiplications instead of 144/);
    assert.match(await page.locator(".matrix-figure svg").first().getAttribute("aria-label"), /^Bᵀ, 6 by 6: 81\/64 0 −45\/16/);
    assert.equal(await page.locator(".pane-d .number").count(), 36); // the zeros of the padding too
  }, SMALL),
);

for (const [problem, reason] of [
  ["1x1x8x8 1@3x3 s2 p1", /needs stride 1, got 2 × 2.*Set stride to 1/],
  ["1x1x8x8 1@3x3 s1 p0 d2", /needs dilation 1/],
  ["1x4x8x8 3@1x1 s1 p0", /more than one tap/],
  ["1x1x12x12 1@9x9 s1 p0", /kernel sizes up to 7, got 9 × 9/],
]) {
  test(`${problem} is refused with a reason`, { skip }, () =>
    onPage({ hash: "#mode=winograd" }, async (page) => assert.match(await text(page, ".refusal"), reason), [{ problem }]),
  );
}

for (const problem of ["1x64x56x56 64@3x3 s1 p1 nobias", "1x4x8x8 4@3x3 s1 p1 g4", "1x1x5x5 1@3x3 s2 p1 transposed o1", "1x1x9x7 1@1x3 s1 p0:2x1:0", "1x1x6x6 1@3x3 s1 p3 transposed"]) {
  test(`${problem} is drawn`, { skip }, () =>
    onPage({ hash: "#mode=winograd&at=y,0,3,3" }, async (page) => {
      const [, , power] = /\|Δ\| = (0|[\d.]+·10⁻([⁰¹²³⁴-⁹]+))[.,]/.exec(await text(page, ".sentence"));
      assert.match(power ?? "⁹", /^([⁶⁷⁸⁹]|¹.)$/);
    }, [{ problem }]),
  );
}
