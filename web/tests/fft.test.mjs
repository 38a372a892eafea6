// FFT: picture and filter as sums of waves, multiplied frequency by frequency.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onPage, point, press, rectangles, settled, skip, text } from "./page.mjs";
import { sources } from "./sources.mjs";

const SMALL = [{ problem: "1x2x7x7 3@3x3 s1 p0" }]; // 8 × 8 points, 5 × 5 outputs
const marks = (page, pane, role) => rectangles(page, `.pane-${pane} .mark.${role}`);

const { complex, fourier, multiplications, parse } = await sources(`
export { complex, fourier } from "./numerics/algorithms/fourier";
export { multiplications } from "./numerics/algorithms/fft";
export { parse } from "./model/shorthand";`);

test("a transform is the definition's, and back again what it was", () => {
  const [rows, columns] = [4, 8];
  const plane = complex(rows * columns);
  const given = plane.re.map((_, place) => Math.sin(place * place));
  plane.re.set(given);
  fourier(plane, [rows, columns], -1);
  for (const [k, l] of [[0, 0], [1, 3], [3, 6]]) {
    let [re, im] = [0, 0];
    given.forEach((value, place) => {
      const turn = -2 * Math.PI * ((k * Math.floor(place / columns)) / rows + (l * (place % columns)) / columns);
      re += value * Math.cos(turn);
      im += value * Math.sin(turn);
    });
    assert.ok(Math.hypot(plane.re[k * columns + l] - re, plane.im[k * columns + l] - im) < 1e-12);
  }
  fourier(plane, [rows, columns], 1);
  given.forEach((value, place) => assert.ok(Math.abs(plane.re[place] / 32 - value) < 1e-14));
});

test("multiplications are counted as Python's cost counts them", () => {
  for (const [problem, cost] of [["1x3x32x32 1@5x5 s1 p0", 78208], ["1x64x56x56 64@3x3 s1 p1", 242221056]]) {
    const { transforms, products } = multiplications(parse(problem));
    assert.equal(transforms + products, cost); // named("fft").cost(problem).multiplications
  }
});

test("an output: its window, its place in the frame, the waves that make it", { skip }, () =>
  onPage({ hash: "#mode=fft&at=y,1,2,3" }, async (page) => {
    assert.equal(await page.locator(".pane").count(), 12);
    const grid = await page.locator(".pane-result .grid").boundingBox();
    const cell = grid.width / 8;
    const [window] = await marks(page, "picture", "window");
    assert.deepEqual([window.x, window.y, window.width].map((size) => Math.round(size / cell)), [3, 2, 3]);
    const [frame] = await marks(page, "result", "read");
    assert.equal(Math.round(frame.width / cell), 5);
    const [one] = await marks(page, "result", "window");
    assert.deepEqual([one.x, one.y].map((size) => Math.round(size / cell)), [3, 2]);
    assert.match(await text(page, ".sentence"), /34 waves, each the input’s times the filter’s/);
    assert.match(await text(page, ".sentence"), /\|Δ\| = (0|.*·10⁻¹)/);
    const said = await text(page, ".sentence .equation strong");
    await page.locator(".modes button[data-name=window]").click();
    await settled(page);
    assert.equal(await text(page, ".sentence .equation strong"), said);
  }, SMALL),
);

test("a frequency: the same one in every spectrum, and its wave", { skip }, () =>
  onPage({ hash: "#mode=fft&at=y,0,0,0" }, async (page) => {
    assert.match(await text(page, ".caption"), /^The strongest wave of channel 0/);
    await point(page, ".pane-picture-size .grid", 5.5 / 8, 4.5 / 8);
    for (const plane of ["picture", "filter", "result"]) {
      for (const what of ["size", "phase"]) assert.equal((await marks(page, `${plane}-${what}`, "tap")).length, 1);
    }
    assert.match(await text(page, ".caption"), /^Frequency 0, 1, 0 waves down and 1 across: \|X\| · \|W\| = .*; its term in y\[0, 0, 0\] is /);
    await page.locator(".pane-result-phase .grid").focus();
    await press(page, "ArrowDown");
    assert.match(await text(page, ".caption"), /^Frequency 1, 1/);
  }, SMALL),
);

test("cells of the picture, the filter and the result are pixels, weights and outputs", { skip }, () =>
  onPage({ hash: "#mode=fft&at=y,2,0,0" }, async (page) => {
    await point(page, ".pane-picture .grid", 3.5 / 8, 4.5 / 8);
    assert.match(await text(page, ".sentence"), /x\s*0, 4, 3/);
    assert.equal((await marks(page, "result", "use")).length, 9);
    await point(page, ".pane-filter .grid", 1.5 / 8, 1.5 / 8);
    assert.match(await text(page, ".sentence"), /w\s*2, 4/);
    await point(page, ".pane-filter .grid", 6.5 / 8, 6.5 / 8);
    assert.match(await text(page, ".sentence"), /w\s*2, 4/); // the zeros after it are no weights
    await point(page, ".pane-result .grid", 2.5 / 8, 1.5 / 8);
    assert.match(await text(page, ".sentence"), /y\s*2, 1, 2/);
  }, SMALL),
);

test("a picture too large for the page is refused with what to change", { skip }, () =>
  onPage({ hash: "#mode=fft" }, async (page) => assert.match(await text(page, ".refusal"), /takes 1024 × 1024. Set a smaller input_size/), [{ problem: "1x1x600x600 1@3x3 s1 p0" }]),
);

for (const problem of ["1x64x56x56 64@3x3 s1 p1 nobias", "1x4x8x8 4@3x3 s1 p1 g4", "1x4x8x8 3@1x1 s1 p0", "1x1x10x10 1@3x3 s2 p0", "1x1x12x12 1@3x3 s1 p0 d3", "1x1x5x5 1@3x3 s2 p1 transposed o1", "1x1x9x7 1@1x3 s1 p0:2x1:0", "1x1x6x6 1@3x3 s1 p3 transposed", "1x1x1x1 1@1x1 s1 p0"]) {
  test(`${problem} is drawn`, { skip }, () =>
    onPage({ hash: "#mode=fft&at=y,0,3,3" }, async (page) => {
      await page.getByText("waves, each the input’s").waitFor();
      const [, , power] = /\|Δ\| = (0|[\d.]+·10⁻([⁰¹²³⁴-⁹]+))[.,]/.exec(await text(page, ".sentence"));
      assert.match(power ?? "⁹", /^([⁶⁷⁸⁹]|¹.)$/);
    }, [{ problem }]),
  );
}
